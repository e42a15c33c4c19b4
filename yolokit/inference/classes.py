"""Which of a model's classes are meant by names and labels."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, TypeGuard

import numpy as np

from yolokit.errors import ConfigError

Classes: TypeAlias = Iterable[str | int] | str | int

_SHOWN = 20  # classes named in an error
_NEAR = 3  # names that may have been meant
_LONGEST_LABEL = 9  # digits


def labels_of(wanted: Classes | None, class_names: Sequence[str]) -> list[int] | None:
    """Labels of the classes that are named, ascending; None, for all of them, where none is.

    Args:
        wanted: names, labels 0..C-1, or one of either. A label is a class's place in the model's
            list, never the category id of a COCO file.
        class_names: C names.

    Raises:
        ConfigError: there is no such class; names that are near are told.
    """
    if wanted is None:
        return None
    many = isinstance(wanted, Iterable) and not isinstance(wanted, str | bytes)
    asked = [*wanted] if many else [wanted]  # type: ignore[misc]
    unknown = [each for each in asked if not _known(each, class_names)]
    if unknown or not asked:
        raise ConfigError(_refusal(unknown, class_names))
    return [label for label, name in enumerate(class_names) if name in asked or label in asked]


def split_classes(words: str, class_names: Sequence[str]) -> list[str | int]:
    """Names and labels of classes with commas between; a name may hold a comma, or be a number."""
    if words in class_names:
        return [words]
    parts = dict.fromkeys(part.strip() for part in words.split(",") if part.strip())
    return [int(part) if _is_label(part) and part not in class_names else part for part in parts]


def _is_label(part: str) -> bool:
    return part.isdecimal() and len(part) <= _LONGEST_LABEL


def _known(each: object, class_names: Sequence[str]) -> bool:
    if isinstance(each, str):
        return each in class_names
    return _is_number(each) and 0 <= int(each) < len(class_names)


def _is_number(each: object) -> TypeGuard[int | np.integer[Any]]:
    return isinstance(each, int | np.integer) and not isinstance(each, bool)


def _refusal(unknown: Sequence[object], class_names: Sequence[str]) -> str:
    shown = [str(each) if _is_number(each) else repr(each) for each in unknown[:_SHOWN]]
    more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
    missing = (", ".join(shown) or "without a name") + more
    by_folded = {name.casefold(): name for name in class_names}
    near = [
        by_folded[found]
        for each in unknown[:_SHOWN]
        for found in difflib.get_close_matches(str(each).casefold(), by_folded, n=_NEAR)
    ]
    meant = f"Did you mean {' or '.join(dict.fromkeys(near))}? " if near else ""
    known = ", ".join(class_names[:_SHOWN]) + (", …" if len(class_names) > _SHOWN else "")
    advice = _advice(unknown, class_names) or meant
    return f"the model knows no class {missing}. {advice}Its classes are {known}"


def _advice(unknown: Sequence[object], class_names: Sequence[str]) -> str:
    for each in unknown[:_SHOWN]:
        parts = split_classes(each, class_names) if isinstance(each, str) else []
        if len(parts) > 1 and all(_known(part, class_names) for part in parts):
            return f"Give a list: {parts}. "
        if _is_number(each) or (isinstance(each, str) and each.isdecimal()):
            return f"Numbers are labels, 0 to {len(class_names) - 1}, not category ids. "
    return ""
