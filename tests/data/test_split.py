"""An unsplit COCO file as a set that trains: whole, sorted out, nothing lost, nothing copied."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import labelled_sets
import numpy as np
import pytest
from PIL import Image

from yolokit.data.coco import CocoDataset
from yolokit.data.grouping import naming_rule
from yolokit.data.locate import locate_splits
from yolokit.data.split import Divided, divide, write_divided
from yolokit.data.unsplit import find_unsplit
from yolokit.errors import DataError
from yolokit.sections import SplitConfig
from yolokit.synthesis.dataset import synthesise

SHARES = {"val": 0.2, "test": 0.1}


def _write(folder: Path, tree: dict[str, Any]) -> SplitConfig:
    (folder / "photos").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for image in tree["images"]:
        pixels = rng.integers(0, 255, (8, 12, 3), dtype=np.uint8)
        path = folder / "photos" / image["file_name"]
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).resize((60, 40), Image.Resampling.NEAREST).save(path)
    file = folder / "labels.json"
    file.write_text(json.dumps(tree))
    return SplitConfig(images=folder / "photos", annotations=file)


def _tree(count: int = 20) -> dict[str, Any]:
    """Pictures 100, 101, …; a cat in each, a dog in every second, a fox in the last alone."""
    images = [
        {"id": 100 + n, "file_name": f"p{n}.png", "width": 60, "height": 40, "license": 3}
        for n in range(count)
    ]
    annotations: list[dict[str, Any]] = []
    for n in range(count):
        labels = [5] + [9] * (n % 2) + [7] * (n == count - 1)
        annotations += [
            {
                "id": len(annotations) + each,
                "image_id": 100 + n,
                "category_id": label,
                "bbox": [1.5, 2, 10, 12],
                "area": 120,
                "iscrowd": 0,
                "segmentation": [[1.5, 2, 11.5, 2, 11.5, 14]],
                "attributes": {"by": "Ana"},
            }
            for each, label in enumerate(labels)
        ]
    categories = [{"id": 9, "name": "dog"}, {"id": 5, "name": "cat"}, {"id": 7, "name": "fox"}]
    return {
        "info": {"year": 2020, "note": "größer"},
        "images": images,
        "annotations": annotations,
        "categories": categories,
        "extra": [1, {"a": None}],
    }


def _divide(split: SplitConfig, rule: str = "names", **settings: Any) -> Divided:
    return divide(split, SHARES, rule=naming_rule(rule), **settings)


def test_every_entry_goes_to_one_part_as_it_stands(tmp_path: Path) -> None:
    tree = _tree()
    tree["annotations"][3]["image_id"] = 999  # of a picture that is not listed
    split = _write(tmp_path / "set", tree)
    divided = _divide(split)
    write_divided(divided, tmp_path / "new", kept={}, made_by="a test")
    parts = {
        part: json.loads((tmp_path / f"new/annotations/instances_{part}.json").read_text())
        for part in ("train", "val", "test")
    }
    assert [len(part["images"]) for part in parts.values()] == [14, 4, 2]
    for key in ("images", "annotations"):
        entries = [entry for part in parts.values() for entry in part[key]]
        assert sorted(entries, key=lambda each: each["id"]) == tree[key]
    assert 999 in {each["image_id"] for each in parts["train"]["annotations"]}
    for part in parts.values():
        assert list(part) == list(tree)
        assert all(part[key] == tree[key] for key in ("info", "categories", "extra"))
        own = {each["id"] for each in part["images"]}
        assert {each["image_id"] for each in part["annotations"]} - own <= {999}


def test_what_is_written_is_found_and_read_as_a_set(tmp_path: Path) -> None:
    split = _write(tmp_path / "set", _tree())
    divided = _divide(split)
    write_divided(divided, tmp_path / "new", kept={}, made_by="a test")
    assert [each.name for each in (tmp_path / "new").rglob("*.png")] == []
    (tmp_path / "set").rename(tmp_path / "moved")  # both move together
    (tmp_path / "new").rename(tmp_path / "split")
    (tmp_path / "moved").rename(tmp_path / "set")
    splits = locate_splits(tmp_path / "split")
    assert list(splits) == ["train", "val", "test"]
    for index, each in enumerate(splits.values()):
        part = CocoDataset.load(each)
        assert len(part) == divided.pictures[index]
        assert all(path.is_file() for path in part.image_paths)
        counts = np.bincount(part.labels, minlength=3)
        assert counts.tolist() == divided.boxes[index].tolist()
    assert divided.boxes.sum(axis=0).tolist() == [20, 1, 10]  # cat, fox, dog: ids ascending


def test_the_only_fox_stays_in_training(tmp_path: Path) -> None:
    split = _write(tmp_path / "set", _tree())
    for seed in range(4):
        divided = _divide(split, seed=seed)
        assert divided.boxes[:, 1].tolist() == [1, 0, 0]
        assert divided.groups_of_class.tolist() == [20, 1, 10]


def test_copies_and_frames_stay_together(tmp_path: Path) -> None:
    tree = _tree(30)
    for n in range(6):
        tree["images"][n]["file_name"] = f"gate_mp4-{n}.png"
    split = _write(tmp_path / "set", tree)
    original = split.images / "p20.png"
    (split.images / "p21.png").write_bytes(original.read_bytes())
    Image.open(original).resize((48, 32)).save(split.images / "p22.png")
    for seed in range(4):
        divided = _divide(split, seed=seed)
        assert len(set(divided.part_of[:6])) == 1
        assert len(set(divided.part_of[20:23])) == 1
        assert (divided.grouping.by_name, divided.grouping.look_alikes) == (6, 3)
    apart = [_divide(split, "none", near_duplicates=False, seed=seed) for seed in range(4)]
    assert any(len(set(each.part_of[20:23])) > 1 for each in apart)


def test_equal_seeds_write_equal_bytes(tmp_path: Path) -> None:
    split = _write(tmp_path / "set", _tree())
    written = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_divided(_divide(split, seed=seed), tmp_path / name, kept={}, made_by="a test")
        files = sorted(each for each in (tmp_path / name).rglob("*") if each.is_file())
        written.append([each.read_bytes() for each in files])
    assert written[0] == written[1] != written[2]


def test_a_set_that_cannot_part_is_refused_with_what_helps(tmp_path: Path) -> None:
    tree = _tree(6)
    split = _write(tmp_path / "few", _tree(2))
    with pytest.raises(DataError, match=r"lists 2 pictures, too few for 3 splits.*--test 0"):
        _divide(split)
    for n in range(6):
        tree["images"][n]["file_name"] = f"gate_mp4-{n}.png"
    split = _write(tmp_path / "film", tree)
    with pytest.raises(DataError, match=r"together by their names in 1 group.*--group-by none"):
        _divide(split)
    (split.images / "gate_mp4-0.png").unlink()
    with pytest.raises(DataError, match=r"no picture at .*gate_mp4-0\.png"):
        _divide(split, "none")


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    split = _write(tmp_path / "set", _tree())
    (tmp_path / "used").mkdir()
    (tmp_path / "used/file").write_text("mine")
    with pytest.raises(DataError, match="not an empty folder"):
        write_divided(_divide(split), tmp_path / "used", kept={}, made_by="a test")
    assert [each.name for each in (tmp_path / "used").iterdir()] == ["file"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["set", "used"]


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = _write(tmp_path / "set", _tree())
    divided = _divide(split)
    split.annotations.unlink()  # between reading and writing
    with pytest.raises(DataError, match="no annotation file"):
        write_divided(divided, tmp_path / "new", kept={}, made_by="a test")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["set"]


@pytest.mark.parametrize("pictures", ["photos", "images", ".", "../images"])
def test_a_file_by_itself_finds_its_pictures(tmp_path: Path, pictures: str) -> None:
    split = _write(tmp_path / "set", _tree(3))
    file = tmp_path / "set/annotations/labels.json"
    file.parent.mkdir()
    split.annotations.rename(file)
    folder = file.parent / pictures
    if pictures == "photos":
        with pytest.raises(DataError, match=r"no pictures of labels\.json.*--images FOLDER"):
            find_unsplit(file)
        folder = split.images
        assert find_unsplit(file, folder) == {"train": SplitConfig(images=folder, annotations=file)}
        return
    folder.mkdir(exist_ok=True)
    for picture in split.images.iterdir():
        picture.rename(folder / picture.name)
    found = find_unsplit(file)["train"]
    assert found.images.resolve() == folder.resolve() and found.annotations == file
    if pictures == "../images":
        assert find_unsplit(tmp_path / "set")["train"].annotations == file


def test_a_set_gives_its_splits(tmp_path: Path) -> None:
    synthesise(tmp_path / "set", images=(3, 0, 1), size_hw=(64, 64), video=False)
    assert list(find_unsplit(tmp_path / "set")) == ["train", "test"]
    synthesise(tmp_path / "other", images=(3, 1, 0), size_hw=(64, 64), video=False)
    (tmp_path / "other/annotations/instances_train.json").unlink()
    with pytest.raises(DataError, match="has no train split, only val"):
        find_unsplit(tmp_path / "other")
    with pytest.raises(DataError, match="no data at"):
        find_unsplit(tmp_path / "nothing")
    with pytest.raises(DataError, match="--images is for a file by itself"):
        find_unsplit(tmp_path / "set", tmp_path)


def _objects(split: SplitConfig) -> dict[str, list[tuple[object, ...]]]:
    """Each picture's class names and boxes, by the picture's path."""
    data = CocoDataset.load(split)
    found = {}
    for index in range(len(data)):
        truth = data.truth(index)
        names = [data.class_names[label] for label in truth.labels]
        boxes = truth.boxes.round(3).tolist()
        found[str(data.image_path(index).resolve())] = list(zip(names, boxes, strict=True))
    return found


@pytest.mark.parametrize(
    "write",
    [
        labelled_sets.write_coco_set,
        labelled_sets.write_yolo_set,
        labelled_sets.write_voc_set,
        labelled_sets.write_cvat_set,
        lambda root: labelled_sets.write_label_studio_set(root, "train"),
    ],
)
def test_labels_of_any_format_come_out_as_coco(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    source = write(tmp_path / "set")
    found = find_unsplit(source)
    kept = {name: split for name, split in found.items() if name != "train"}
    divided = divide(found["train"], {"test": 0.4}, rule=naming_rule("names"))
    write_divided(divided, tmp_path / "new", kept=kept, made_by="a test")
    splits = locate_splits(tmp_path / "new")
    assert set(splits) == {"train", "test", *kept}
    assert {split.format for split in splits.values()} == {"coco"}
    parts = [_objects(splits[name]) for name in ("train", "test")]
    assert all(parts) and {**parts[0], **parts[1]} == _objects(found["train"])
    for name, split in kept.items():
        assert _objects(splits[name]) == _objects(split)
