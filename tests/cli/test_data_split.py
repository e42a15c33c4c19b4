"""``yolokit data split``: what it prints, refuses and keeps, and that its set trains."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from yolokit.cli.main import main
from yolokit.synthesis.dataset import synthesise

TINY = [
    *("quickstart", "--epochs", "1", "--device", "cpu", "--workers", "0"),
    *("-o", "data.image_size=64", "-o", "model.head.grid_size=2", "-o", "model.head.channels=8"),
    *("-o", "train.batch_size=4"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One train split of twenty pictures, nothing held out."""
    folder = tmp_path_factory.mktemp("whole") / "my set"
    synthesise(folder, images=(20, 0, 0), size_hw=(64, 64), video=False)
    return folder


def split(*words: object) -> int:
    return main(["data", "split", *map(str, words)])


def test_the_table_counts_what_was_written(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new"
    assert split(whole, new) == 0
    shown = capsys.readouterr().out.splitlines()
    rows = {cells[0]: cells[1:] for cells in (re.split("  +", line.strip()) for line in shown)}
    written = [
        json.loads((new / f"annotations/instances_{part}.json").read_text())
        for part in ("train", "val", "test")
    ]
    pictures = [len(part["images"]) for part in written]
    assert pictures == [14, 4, 2]
    assert [int(cell.split()[0]) for cell in rows["pictures"]] == pictures
    names = {each["id"]: each["name"] for each in written[0]["categories"]}
    for category_id, name in names.items():
        counts = [
            sum(
                each["category_id"] == category_id and not each["iscrowd"]
                for each in part["annotations"]
            )
            for part in written
        ]
        assert [int(cell.split()[0]) for cell in rows[name]] == counts
    assert shown[-2] == "kept together: nothing, no two pictures belong together"
    assert shown[-1] == f"next: yolokit train yolo_mobilenet_v2 --data {new}"


def test_other_words_other_splits(whole: Path, tmp_path: Path) -> None:
    words = ["--test", "0", "--val", "0.5", "--seed", "3", "--no-near-duplicates"]
    assert split(whole, tmp_path / "new", *words, "--group-by", "folder") == 1  # one folder
    assert not (tmp_path / "new").exists()
    assert split(whole, tmp_path / "new", *words, "--group-by", r"(\d)\.jpg") == 0
    text = (tmp_path / "new/data.yaml").read_text()
    assert text.splitlines()[0].endswith("--group-by '(\\d)\\.jpg' --no-near-duplicates")
    assert "test:" not in text
    endings = []
    for part in ("train", "val"):
        tree = json.loads((tmp_path / f"new/annotations/instances_{part}.json").read_text())
        endings.append({each["file_name"][-5] for each in tree["images"]})
        assert len(tree["images"]) == 10
    assert endings[0] & endings[1] == set()


def test_a_test_split_that_is_there_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    synthesise(old, images=(10, 0, 3), size_hw=(64, 64), video=False)
    assert split(old, new) == 0
    assert "note: test is kept as it is" in capsys.readouterr().err
    assert main(["data", "check", str(new)]) == 0
    assert "train, val, test" in capsys.readouterr().out
    assert '"../old/annotations/instances_test.json"' in (new / "data.yaml").read_text()
    assert not (new / "annotations/instances_test.json").exists()
    assert split(new, tmp_path / "again") == 1
    assert f"yolokit train yolo_mobilenet_v2 --data {new}" in capsys.readouterr().err


def test_a_class_of_one_picture_is_named(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole, tmp_path / "set")
    file = tmp_path / "set/annotations/instances_train.json"
    tree = json.loads(file.read_text())
    tree["categories"].append({"id": 500, "name": "rare thing"})
    tree["annotations"][0]["category_id"] = 500
    file.write_text(json.dumps(tree))
    assert split(file, tmp_path / "new", "--images", tmp_path / "set/images/train") == 0
    note = "note: 'rare thing' is in one picture or group: in train, none for val and test\n"
    assert note in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--val", "0.7", "--test", "0.3"],
        ["--val", "0", "--test", "0"],
        ["--val", "nan"],
        ["--val", "2"],
        ["--seed", "-1"],
        ["--group-by", "("],
        ["--nothing"],
    ],
)
def test_wrong_usage(
    words: list[str], whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert split(whole, tmp_path / "new", *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("absent", "no data at"),
        ("absent.json", "no data at"),
        ("used", "no known data layout"),
        ("used/file.json", "is not a COCO annotation file"),
    ],
)
def test_nothing_to_split_there(
    source: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used/file.json").write_text("[]")
    assert split(tmp_path / source, tmp_path / "new") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and said in line
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_an_unsplit_set_is_offered_a_split_that_trains(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TINY, "--data", str(whole), "--run", "blind"]) == 0
    (note,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("note:"))
    assert note.endswith(
        f"yolokit data split '{whole}' 'my set-split', then train with --data 'my set-split'"
    )
    assert split(whole, "my set-split") == 0
    assert main(["train", *TINY, "--data", "my set-split", "--run", "seeing"]) == 0
    shown = capsys.readouterr()
    assert "no val split" not in shown.err and "AP" in shown.out
    rows = (tmp_path / "seeing/metrics.csv").read_text().splitlines()
    assert "AP" in rows[0].split(",")
