"""``yolokit eval`` as a stranger types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from yolokit.cli.main import main

Dataset = tuple[Path, list[dict[str, Any]]]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Three pictures in COCO's layout with sparse ids, and rows that find everything."""
    pictures = tmp_path / "data" / "images" / "val"
    pictures.mkdir(parents=True)
    boxes = {8: [[5, 5, 40, 30], [60, 20, 30, 30]], 5: [[10.5, 3.25, 50, 50]], 2: []}
    images, annotations = [], []
    for image_id, found in boxes.items():
        Image.new("RGB", (100, 80), (image_id * 20, 90, 60)).save(pictures / f"{image_id}.png")
        images.append({"id": image_id, "file_name": f"{image_id}.png", "width": 100, "height": 80})
        for box in found:
            annotations.append(
                {
                    "id": len(annotations),  # from 0
                    "image_id": image_id,
                    "category_id": 90 if len(annotations) else 3,
                    "bbox": box,
                }
            )
    categories = [{"id": 3, "name": "red"}, {"id": 90, "name": "white"}]
    file = tmp_path / "data" / "annotations" / "instances_val.json"
    file.parent.mkdir()
    tree = {"images": images, "annotations": annotations, "categories": categories}
    file.write_text(json.dumps(tree))
    rows = [
        {**{key: entry[key] for key in ("image_id", "category_id", "bbox")}, "score": 0.5}
        for entry in annotations
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    return tmp_path, rows


def test_reference_numbers(real_root: Path, tmp_path: Path) -> None:
    folder = real_root / "eval" / "coco_val2014_100"
    out = tmp_path / "new" / "out.json"
    results = str(folder / "instances_val2014_fakebbox100_results.json")
    arguments = ["eval", "--predictions-from", results, "--json", str(out)]
    for data in (folder, folder / "instances_val2014_100.json"):
        out.unlink(missing_ok=True)
        assert main([*arguments, "--data", str(data)]) == 0
        written = json.loads(out.read_text())
        for name, value in json.loads((folder / "expected.json").read_text()).items():
            assert written[name] == pytest.approx(value, abs=1e-9, rel=0)
        assert written["images"] == 100
        assert written["evaluator"].startswith("pycocotools ")
        assert len(written["per_class"]) == 80


def test_perfect_results_and_the_table(
    dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = dataset
    results = str(folder / "rows.json")
    assert main(["eval", "--predictions-from", results, "--data", str(folder / "data")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:4]] == [
        ["class", "boxes", "AP", "AP50"],
        ["red", "1", "1.000", "1.000"],
        ["white", "2", "1.000", "1.000"],
        ["all,", "3", "images", "3", "1.000", "1.000"],
    ]
    assert len({len(line) for line in lines[:4]}) == 1  # aligned


def test_results_need_no_pictures(dataset: Dataset) -> None:
    folder, _ = dataset
    for picture in (folder / "data" / "images" / "val").iterdir():
        picture.unlink()
    (folder / "data" / "images" / "val").rmdir()
    (folder / "data" / "images").rmdir()
    results = str(folder / "rows.json")
    assert main(["eval", "--predictions-from", results, "--data", str(folder / "data")]) == 0


def test_a_models_predictions_score_the_same_again(dataset: Dataset, tiny_model: Path) -> None:
    folder, _ = dataset
    data = str(folder / "data")
    first, rows, second = (str(folder / name) for name in ("1.json", "found.json", "2.json"))
    arguments = ["--data", data, "--workers", "0", "--device", "cpu"]
    assert main(["eval", str(tiny_model), *arguments, "--json", first, "--predictions", rows]) == 0
    assert main(["eval", "--predictions-from", rows, "--data", data, "--json", second]) == 0
    assert json.loads(Path(first).read_text()) == json.loads(Path(second).read_text())
    found = json.loads(Path(rows).read_text())
    assert {row["category_id"] for row in found} <= {3, 90}
    assert {row["image_id"] for row in found} <= {2, 5, 8}
    assert len(found) > 10


def test_batch_size_does_not_matter(dataset: Dataset, tiny_model: Path) -> None:
    folder, _ = dataset
    found = []
    for size in ("1", "3"):
        out = folder / f"{size}.json"
        arguments = ["--data", str(folder / "data"), "--workers", "0", "--batch-size", size]
        assert main(["eval", str(tiny_model), *arguments, "--predictions", str(out)]) == 0
        found.append([row["bbox"] + [row["score"]] for row in json.loads(out.read_text())])
    assert found[0] == [pytest.approx(row, abs=1e-3) for row in found[1]]


def test_a_class_the_model_does_not_know(
    dataset: Dataset, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = dataset
    file = folder / "data" / "annotations" / "instances_val.json"
    file.write_text(file.read_text().replace('"red"', '"blue"'))
    assert main(["eval", str(tiny_model), "--data", str(folder / "data")]) == 1
    error = capsys.readouterr().err
    assert "'blue' (3)" in error
    assert error.count("\n") == 1


def test_a_missing_picture_is_named(
    dataset: Dataset, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = dataset
    (folder / "data" / "images" / "val" / "5.png").unlink()
    assert main(["eval", str(tiny_model), "--data", str(folder / "data")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "5.png" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("row", "says"),
    [({"image_id": 77}, "results row 2 has image_id 77"), ({"score": float("nan")}, "score nan")],
)
def test_bad_rows_are_one_line(
    dataset: Dataset, row: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, rows = dataset
    (folder / "rows.json").write_text(json.dumps([*rows[:2], {**rows[2], **row}]))
    results = str(folder / "rows.json")
    out = folder / "out.json"
    arguments = ["--data", str(folder / "data"), "--json", str(out)]
    assert main(["eval", "--predictions-from", results, *arguments]) == 1
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert not out.exists()


def test_no_such_split(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    folder, _ = dataset
    arguments = ["--data", str(folder / "data"), "--split", "test"]
    assert main(["eval", "--predictions-from", str(folder / "rows.json"), *arguments]) == 1
    assert "no split 'test'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--data", "x"],
        ["model", "--data", "x", "--predictions-from", "y"],
        ["--data", "x", "--predictions-from", "y", "--predictions", "z"],
        ["model"],
        ["--data", "x", "--predictions-from", "y", "--workers", "2"],
        ["--data", "x", "--predictions-from", "y", "--device", "cpu"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    assert main(["eval", *arguments]) == 2


def test_what_coco_does_not_count_is_said(
    dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    """101 boxes of a class in one picture: pycocotools scores the best 100 without a word."""
    folder, rows = dataset
    many = [{**rows[0], "score": 0.5 - number / 1000} for number in range(101)]
    (folder / "many.json").write_text(json.dumps(many))
    arguments = ["eval", "--data", str(folder / "data"), "--predictions-from"]
    assert main([*arguments, str(folder / "rows.json")]) == 0
    assert "note" not in capsys.readouterr().err
    assert main([*arguments, str(folder / "many.json")]) == 0
    note = "note: COCO counts the best 100 boxes of a class in a picture; 1 more were left out"
    assert note in capsys.readouterr().err


def test_json_without_a_file_is_all_that_is_printed(
    dataset: Dataset, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["eval", str(tiny_model), "--data", str(dataset[0] / "data"), "--device", "cpu"]
    file = tmp_path / "scores.json"
    assert main([*command, "--json", str(file), "-q"]) == 0
    assert capsys.readouterr().out == ""
    for last in (["--json"], ["--json", "-"]):
        assert main([*command, *last]) == 0
        assert json.loads(capsys.readouterr().out) == json.loads(file.read_text())
