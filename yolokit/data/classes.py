"""Which label each category of a file stands for: classes are the same where names agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from yolokit.data.coco_tree import CocoTree
from yolokit.data.plain_values import spoken
from yolokit.errors import DataError


class ClassTable(NamedTuple):
    """Which category id and name each label 0..C-1 stands for."""

    category_ids: tuple[int, ...]
    class_names: tuple[str, ...]


def class_table(tree: CocoTree) -> ClassTable:
    """A file's own classes, ids ascending.

    Of categories that share a name, those without an annotation are left out: such is the root
    that Roboflow puts above its classes.
    """
    used, names = tree.category_used, tree.category_names
    kept = []
    for index, name in enumerate(names):
        namesakes = [other for other, each in enumerate(names) if each == name]
        if len(namesakes) > 1 and not used[index]:
            children = [other for other in namesakes if tree.category_parents[other] == name]
            stays = [other for other in namesakes if used[other]] or children or namesakes
            if index != stays[0]:
                continue
        kept.append((tree.category_ids[index], name))
    kept.sort()
    return ClassTable(tuple(each for each, _ in kept), tuple(name for _, name in kept))


def align_categories(
    class_names: Sequence[str],
    category_ids: Sequence[int],
    tree: CocoTree,
    *,
    whose: str = "the model",
    strict: bool = True,
) -> list[int | None]:
    """A file's category id of each label of a model or training set.

    A class is the same where names agree, for the same objects are often numbered anew; where
    names are not unique, ids must agree too. Categories without an annotation need no class. White
    space around a name, and how its accents are coded, make no other name.

    Args:
        class_names: name of label 0..C-1.
        category_ids: category id of label 0..C-1 in training.
        tree: the file.
        whose: classes these are, for an error.
        strict: refuse a file that annotates what is none of the classes.

    Returns:
        C category ids; None for a class that the file does not list.

    Raises:
        DataError: an annotated category is none of the classes, or names are ambiguous.
    """
    used, names = tree.category_used, list(map(spoken, tree.category_names))
    shown, class_names = class_names, list(map(spoken, class_names))
    listed = list(zip(tree.category_ids, names, used.tolist(), strict=True))
    needed = [(each, name) for each, name, in_use in listed if in_use]
    own = dict(zip(category_ids, class_names, strict=True))
    names_of_ids = {each: name for each, name, _ in listed}
    if needed and all(own.get(each) == name for each, name in needed):
        by_name = _id_of_name(tree) if _unique(class_names) else {}
        return [
            each if names_of_ids.get(each) == name else by_name.get(name)
            for each, name in own.items()
        ]
    unknown = [(each, name) for each, name in needed if name not in class_names]
    if unknown and strict:
        labelled = ", ".join(f"{name!r} ({each})" for each, name in unknown)
        folded = {name.casefold() for name in class_names}
        respelt = all(name.casefold() in folded for _, name in unknown)
        advice = (
            "write them with the same capital letters"
            if respelt
            else "leave those annotations out, or train on data that has them"
        )
        raise DataError(
            f"{tree.where} labels {labelled}, which {whose} does not know. Its classes are "
            f"{', '.join(map(repr, shown))}; {advice}"
        )
    if not _unique(class_names) or not _unique([name for _, name in needed]):
        raise DataError(
            f"{tree.where} numbers its categories otherwise than {whose}, and some share a name. "
            "Give every category the id it had in training"
        )
    by_name = _id_of_name(tree)
    return [by_name.get(name) for name in class_names]


def _id_of_name(tree: CocoTree) -> dict[str, int]:
    table = class_table(tree)
    return dict(zip(map(spoken, table.class_names), table.category_ids, strict=True))


def _unique(names: Sequence[str]) -> bool:
    return max(Counter(names).values(), default=1) == 1
