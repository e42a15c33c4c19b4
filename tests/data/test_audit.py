from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from yolokit.data.audit import Finding, audit_splits
from yolokit.data.locate import locate_splits
from yolokit.synthesis.dataset import synthesise


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit") / "set"
    synthesise(folder, images=(8, 2, 2), size_hw=(64, 64), classes=2, seed=1, video=False)
    return folder


@pytest.fixture
def data(clean: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean, tmp_path / "set"))


def audit(folder: Path) -> dict[tuple[str, str], Finding]:
    findings = audit_splits(locate_splits(folder), workers=1)
    by_place = {(finding.level, finding.split): finding for finding in findings}
    assert len(by_place) == len(findings)
    return by_place


def edit(folder: Path, split: str, change: Callable[[dict[str, Any]], Any]) -> None:
    file = folder / "annotations" / f"instances_{split}.json"
    tree = json.loads(file.read_text())
    change(tree)
    file.write_text(json.dumps(tree))


def test_a_clean_set_has_no_findings(data: Path) -> None:
    assert audit(data) == {}


def test_bad_boxes_are_named_by_id(data: Path) -> None:
    def spoil(tree: dict[str, Any]) -> None:
        tree["annotations"][1]["bbox"][2] = -4

    edit(data, "train", spoil)
    total = len(json.loads((data / "annotations/instances_train.json").read_text())["annotations"])
    tolerant = audit_splits(locate_splits(data), max_bad_boxes=1.0)
    assert [finding.level for finding in tolerant] == ["warning"]
    assert (tolerant[0].code, tolerant[0].count) == ("negative-size", 1)
    assert f"1 of {total}" in tolerant[0].summary
    assert tolerant[0].details[0].startswith("annotation 2 of image ")
    strict = audit_splits(locate_splits(data), max_bad_boxes=0.0)
    assert [finding.level for finding in strict] == ["error"]


def test_missing_and_truncated_pictures_are_all_named(data: Path) -> None:
    first, second, *_ = sorted((data / "images" / "train").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:500])
    finding = audit(data)["error", "train"]
    assert "2 of 8" in finding.summary
    assert first.name in finding.details[0] and second.name in finding.details[1]


def test_a_picture_in_two_splits_is_a_warning_twice_in_one_a_note(data: Path) -> None:
    def size_of(tree: dict[str, Any], position: int) -> tuple[int, int]:
        return tree["images"][position]["height"], tree["images"][position]["width"]

    train = json.loads((data / "annotations/instances_train.json").read_text())
    source = data / "images/train" / train["images"][0]["file_name"]

    def replace(split: str, position: int) -> str:
        tree = json.loads((data / f"annotations/instances_{split}.json").read_text())
        name: str = tree["images"][position]["file_name"]
        shutil.copy(source, data / "images" / split / name)

        def same_size(tree: dict[str, Any]) -> None:
            height, width = size_of(train, 0)
            tree["images"][position].update(height=height, width=width)

        edit(data, split, same_size)
        return name

    inside = replace("train", 3)
    findings = audit(data)
    assert {key for key in findings if key[0] != "warning"} == {("note", "train")}
    assert findings["note", "train"].details == (f"{source.name} = {inside}",)
    across = replace("val", 1)
    findings = audit(data)
    assert findings["warning", "train+val"].details == (f"{source.name} = {inside} = {across}",)


def test_classes_that_training_does_not_know_are_errors(data: Path) -> None:
    def rename(tree: dict[str, Any]) -> None:
        tree["categories"][0]["name"] = "circle"

    def renumber(tree: dict[str, Any]) -> None:
        tree["categories"].append({"id": 1000, "name": "new"})
        tree["annotations"][0]["category_id"] = 1000

    edit(data, "val", rename)
    edit(data, "test", renumber)
    findings = audit(data)
    assert "labels 'circle' (17), which the training set does not know" in (
        findings["error", "val"].summary
    )
    assert "labels 'new' (1000)" in findings["error", "test"].summary


def test_classes_numbered_anew_are_no_fault(data: Path) -> None:
    def renumber(tree: dict[str, Any]) -> None:
        for entry in tree["categories"]:
            entry["id"] += 10
        for entry in tree["annotations"]:
            entry["category_id"] += 10

    edit(data, "val", renumber)
    assert audit(data) == {}


def test_a_class_that_only_the_table_of_val_lists_is_no_fault(data: Path) -> None:
    edit(data, "val", lambda tree: tree["categories"].append({"id": 1000, "name": "new"}))
    assert audit(data) == {}


def test_repeated_boxes_and_unused_classes_are_notes(data: Path) -> None:
    def change(tree: dict[str, Any]) -> None:
        tree["annotations"].append({**tree["annotations"][0], "id": 5000})
        tree["categories"].append({"id": 1000, "name": "new"})

    edit(data, "train", change)
    findings = audit_splits(locate_splits(data))
    assert [(finding.level, finding.split) for finding in findings] == [("note", "train")] * 2
    assert findings[0].details[0].startswith("annotation 5000 of image ")
    assert findings[1].details == ("new",)


def test_a_malformed_file_hides_no_other_fault(data: Path) -> None:
    (data / "annotations/instances_val.json").write_text("{")
    next((data / "images/test").iterdir()).unlink()
    findings = audit(data)
    assert "not valid JSON" in findings["error", "val"].summary
    assert "1 of 2" in findings["error", "test"].summary


def test_real_leak_is_found(real_root: Path) -> None:
    findings = audit(real_root / "data" / "raccoon")
    assert findings["warning", "train+val"].details == ("raccoon-11.jpg = raccoon-116.jpg",)
    assert len(findings["note", "train"].details) == 3
