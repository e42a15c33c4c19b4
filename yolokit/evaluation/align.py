"""Which category of a data set each class of a model is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yolokit.errors import DataError


def align_categories(
    class_names: Sequence[str], category_ids: Sequence[int], truth: Mapping[str, Any], where: str
) -> list[int | None]:
    """The data set's category id of each of a model's labels.

    A class is the same where id and name agree; failing that for any category, where the names
    agree, for the same objects are often numbered anew. Categories without an annotation need
    no class.

    Args:
        class_names: the model's name of label 0..C-1.
        category_ids: the model's category id of label 0..C-1.
        truth: a COCO annotation file's content.
        where: what to call the data set in an error.

    Returns:
        C category ids; None for a class that the data set does not have.

    Raises:
        DataError: an annotated category is no class of the model, or names are ambiguous.
    """
    used = {annotation.get("category_id") for annotation in truth["annotations"]}
    categories = {entry["id"]: str(entry.get("name", entry["id"])) for entry in truth["categories"]}
    needed = {each: name for each, name in categories.items() if each in used}
    own = dict(zip(category_ids, class_names, strict=True))
    if all(own.get(each) == name for each, name in needed.items()):
        return [each if categories.get(each) == own[each] else None for each in category_ids]
    unknown = [f"{name!r} ({each})" for each, name in needed.items() if name not in class_names]
    if unknown:
        raise DataError(
            f"{where} labels {', '.join(unknown)}, which the model does not know. "
            f"Its classes are {', '.join(map(repr, class_names))}; evaluate on data labelled so"
        )
    id_of_name = {name: each for each, name in categories.items()}
    if len(set(class_names)) < len(class_names) or len(id_of_name) < len(categories):
        raise DataError(
            f"{where} numbers its categories otherwise than the model, and some share a name. "
            "Give every category the id it had in training"
        )
    return [id_of_name.get(name) for name in class_names]
