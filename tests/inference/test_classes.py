from __future__ import annotations

import re

import numpy as np
import pytest

from yolokit.errors import ConfigError
from yolokit.inference.classes import Classes, labels_of

NAMES = ["cat", "dog", "3", "sea lion"]


@pytest.mark.parametrize(
    ("wanted", "labels"),
    [
        (None, None),
        ("dog", [1]),
        (1, [1]),
        (["dog", 0], [0, 1]),
        (["3"], [2]),
        ([3, "sea lion"], [3]),
        (np.array([2, 0]), [0, 2]),
        (iter(["cat"]), [0]),
        (np.int64(1), [1]),
        ({np.int64(3), "cat"}, [0, 3]),
    ],
)
def test_names_and_labels(wanted: Classes | None, labels: list[int] | None) -> None:
    assert labels_of(wanted, NAMES) == labels


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("Dogs", "the model knows no class 'Dogs'. Did you mean dog? Its classes are cat, dog, 3"),
        (["sealion", "cat", "cst"], "'sealion', 'cst'. Did you mean sea lion or cat? Its"),
        ("aeroplane", "no class 'aeroplane'. Its classes are"),
        (4, "no class 4. Numbers are labels, 0 to 3, not category ids. Its classes are cat, dog"),
        ([-1, "cat"], "no class -1. Numbers are labels, 0 to 3, not category ids. Its"),
        (np.int64(90), "no class 90. Numbers are labels, 0 to 3, not category ids. Its"),
        ("17", "no class '17'. Numbers are labels, 0 to 3, not category ids. Its classes are"),
        ("cat,dog", "no class 'cat,dog'. Give a list: ['cat', 'dog']. Its classes are"),
        (True, "no class True. Its classes are"),
        (1.0, "no class 1.0. Its classes are"),
        (b"cat", "no class b'cat'. Did you mean cat? Its classes are"),
        ([f"c{n}" for n in range(9999)], "'c18', 'c19' and 9979 more. Did you mean"),
        ([], "no class without a name. Its classes are"),
    ],
)
def test_an_unknown_class_names_the_near_ones(wanted: Classes, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        labels_of(wanted, NAMES)
