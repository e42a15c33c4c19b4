"""Names that Label Studio and others give pictures, found again in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from yolokit.data.coco_file import tree_of
from yolokit.data.coco_tree import CocoTree
from yolokit.data.formats.picture_names import found_name, with_found_names


def listing(*names: str) -> CocoTree:
    images = [{"id": place, "file_name": name} for place, name in enumerate(names, start=1)]
    return tree_of({"images": images, "annotations": [], "categories": [{"id": 1, "name": "cat"}]})


@pytest.mark.parametrize(
    ("name", "lies_at"),
    [
        ("images/1a2b3c4d-cat.jpg", "images/1a2b3c4d-cat.jpg"),
        ("images/1a2b3c4d-cat.jpg", "1a2b3c4d-cat.jpg"),
        ("images/1a2b3c4d-cat.jpg", "cat.jpg"),
        ("../../media/upload/4/cb0618f6-cat.png", "cb0618f6-cat.png"),
        ("/data/upload/1/1a2b3c4d-my%20cat.jpg", "1a2b3c4d-my cat.jpg"),
        ("/data/local-files/?d=pets/yard/cat.jpg", "yard/cat.jpg"),
        ("https://host/a/cat%201.jpg?token=1", "cat 1.jpg"),
        ("C:/Users/me/cat.jpg", "cat.jpg"),
        ("a/Katze_gro\u00df\u0308.jpg", "Katze_gro\u00df\u0308.jpg"),
        ("100%.jpg", "100%.jpg"),
        ("what?.jpg", "what?.jpg"),
    ],
)
def test_a_name_is_found(name: str, lies_at: str, tmp_path: Path) -> None:
    (tmp_path / lies_at).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / lies_at).touch()
    assert found_name(name, tmp_path) == lies_at
    assert with_found_names(listing("gone.jpg", name), tmp_path).file_names == ("gone.jpg", lies_at)


def test_nothing_outside_the_folder_is_found_by_the_way(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").touch()
    (tmp_path / "pictures").mkdir()
    assert found_name("https://host/../secret.jpg", tmp_path / "pictures") is None


def test_two_names_that_end_alike_are_left_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").touch()
    tree = listing("a/1.jpg", "b/1.jpg")
    assert with_found_names(tree, tmp_path) is tree


def test_sound_names_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").touch()
    tree = listing("1.jpg", "x/gone.jpg")
    assert with_found_names(tree, tmp_path) is tree
    assert with_found_names(tree, tmp_path / "gone") is tree
