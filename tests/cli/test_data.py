from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from yolokit.cli.data import command
from yolokit.cli.main import main


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "shapes"
    arguments = [
        "data",
        "shapes",
        str(folder),
        "--images",
        "6,3,2",
        "--size",
        "96x64",
        "--no-video",
    ]
    assert main(arguments) == 0
    return folder


@pytest.fixture
def copy(shapes: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shapes, tmp_path / "copy"))


def test_loading_the_group_imports_nothing_heavy() -> None:
    code = (
        "import sys, yolokit.cli.data\n"
        "print([name for name in ('torch', 'cv2', 'numpy', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["shapes", "check", "stats", "preview", "convert"])
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(command, [name, "--help"])
    assert result.exit_code == 0 and "Usage" in result.output


def test_shapes_writes_what_was_asked(shapes: Path) -> None:
    assert {path.name for path in shapes.iterdir()} == {"annotations", "images"}
    for split, count in (("train", 6), ("val", 3), ("test", 2)):
        tree = json.loads((shapes / f"annotations/instances_{split}.json").read_text())
        assert len(tree["images"]) == count == len(list((shapes / "images" / split).iterdir()))
        assert {(image["width"], image["height"]) for image in tree["images"]} <= {
            (96, 64), (72, 64), (96, 48)
        }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        ["--images", "1,2"],
        ["--images", "a,b,c"],
        ["--images", "0,1,1"],
        ["--size", "320"],
        ["--size", "20x20"],
        ["--classes", "0"],
        ["--crowding", "2"],
    ],
)
def test_wrong_usage_of_shapes(tmp_path: Path, wrong: list[str]) -> None:
    assert main(["data", "shapes", str(tmp_path / "new"), *wrong]) == 2
    assert not list(tmp_path.iterdir())


def test_shapes_refuses_a_folder_in_use(shapes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(shapes.rglob("*"))
    assert main(["data", "shapes", str(shapes)]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert sorted(shapes.rglob("*")) == before


def test_check_of_a_clean_set(shapes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(shapes)]) == 0
    assert "can be used" in capsys.readouterr().out


def test_check_lists_everything_at_once(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = sorted((copy / "images/train").iterdir())
    for picture in pictures:
        picture.unlink()
    shutil.rmtree(copy / "images/val")
    (copy / "images/val").mkdir()
    assert main(["data", "check", str(copy)]) == 1
    printed = capsys.readouterr().out
    assert all(picture.name in printed for picture in pictures)
    assert "6 of 6" in printed and "3 of 3" in printed and "error: test" not in printed


def test_scripts_get_findings_as_json_or_only_what_is_wrong(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", str(copy), "-q"]) == 0
    assert main(["data", "stats", str(copy), "-q", "--split", "val", "--grid-size", "3"]) == 0
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
    next((copy / "images" / "val").iterdir()).unlink()
    assert main(["data", "check", str(copy), "-q"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("error: val: ")
    assert main(["data", "check", str(copy), "--json"]) == 1
    values = json.loads(capsys.readouterr().out)
    assert values["splits"] == ["train", "val", "test"]
    worst = [each for each in values["findings"] if each["level"] == "error"]
    assert [each["split"] for each in worst] == ["val"] and worst[0]["count"] == 1
    assert f"error: val: {worst[0]['summary']}" == said.splitlines()[0]


def test_check_shortens_long_lists_unless_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "set"
    assert main(["data", "shapes", str(folder), "--images", "25,0,0", "--size", "64x64"]) == 0
    pictures = sorted((folder / "images/train").iterdir())
    for picture in pictures:
        picture.write_bytes(b"no picture")
    assert main(["data", "check", str(folder)]) == 1
    short = capsys.readouterr().out
    assert sum(f"{picture.name})" in short for picture in pictures) == 20 and "5 more" in short
    assert main(["data", "check", str(folder), "--all"]) == 1
    long = capsys.readouterr().out
    assert all(f"{picture.name})" in long for picture in pictures)


def test_check_says_3_where_something_is_left_out(copy: Path) -> None:
    file = copy / "annotations/instances_train.json"
    tree = json.loads(file.read_text())
    tree["annotations"][0]["bbox"] = [0, 0, 0, 5]
    file.write_text(json.dumps(tree))
    tolerant = copy / "tolerant.yaml"
    tolerant.write_text("data: {max_bad_boxes: 0.5}")
    assert main(["data", "check", str(copy), "--config", str(tolerant)]) == 3
    tolerant.write_text("data: {max_bad_boxes: 0}")
    assert main(["data", "check", str(copy), "--config", str(tolerant)]) == 1


def test_stats_prints_and_writes_the_same_numbers(
    shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "stats.json"
    arguments = ["--grid-size", "3", "--grid-size", "64", "--json", str(file)]
    assert main(["data", "stats", str(shapes), *arguments]) == 0
    printed = capsys.readouterr().out
    report = json.loads(file.read_text())
    assert report["input_hw"] == [320, 320]  # yolo_mobilenet_v2's
    train = report["splits"]["train"]
    tree = json.loads((shapes / "annotations/instances_train.json").read_text())
    real = [entry for entry in tree["annotations"] if not entry["iscrowd"]]
    assert train["images"] == 6 and train["boxes"] == len(real)
    assert sum(train["class_boxes"].values()) == len(real)
    assert train["ceilings"]["64"]["AP"] == 1.0 and train["ceilings"]["64"]["kept"] == len(real)
    assert train["ceilings"]["3"]["kept"] <= len(real)
    assert "3x3 cells" in printed and "64x64 cells" in printed
    assert "at best, yolo on 320x320 px" in printed and "in reach" not in printed
    boxes = next(line for line in printed.splitlines() if line.startswith("boxes "))
    assert boxes.split()[1:] == [str(split["boxes"]) for split in report["splits"].values()]


def test_stats_names_what_makes_its_numbers_worthless(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = copy / "annotations/instances_train.json", tmp_path / "stats.json"
    tree = json.loads(file.read_text())
    for annotation in tree["annotations"]:
        annotation["bbox"], annotation["area"] = [0.25, 0.25, 0.5, 0.5], 0.25
    file.write_text(json.dumps(tree))
    assert main(["data", "stats", str(copy), "--json", str(out)]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: train: {len(tree['annotations'])} boxes lie within one pixel")
    assert json.loads(out.read_text())["faults"] == [line]


def test_stats_of_one_split_at_a_configs_size(
    shapes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--split", "val", "--config", "quickstart"]
    assert main(["data", "stats", str(shapes), *arguments]) == 0
    printed = capsys.readouterr().out
    assert printed.split("\n")[0].split() == ["val"]
    assert "448x448" not in printed and "14x14" in printed


def test_stats_of_a_configured_head(
    shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, file = tmp_path / "c.yaml", tmp_path / "stats.json"
    config.write_text("model: {head: {type: yolo, strides: [32, 64]}}\ndata: {image_size: 64}")
    arguments = ["--config", str(config), "--json", str(file)]
    assert main(["data", "stats", str(shapes), *arguments]) == 0
    printed = capsys.readouterr().out
    report = json.loads(file.read_text())
    train, advice = report["splits"]["train"], report["head"]
    # five cells and boxes of a few pixels: much is lost, and finer cells help
    assert train["ceilings"] == {} and advice["measured_on"] == "train"
    assert train["head"]["boxes"] == train["boxes"] == sum(train["class_boxes"].values())
    for cause, count in train["head"]["lost"].items():
        assert sum(each["lost"][cause] for each in train["head"]["per_class"].values()) == count
    assert advice["as_configured"]["AP"] == train["head"]["AP"]
    best = max(advice["alternatives"], key=lambda each: each["AP"])
    assert best["AP"] > train["head"]["AP"] and "model.head.strides=[16,32,64]" in printed
    assert "cells of 32, 64 px" in printed and f"{train['head']['AP']:.3f}" in printed
    lines = printed.splitlines()
    assert lines[-1] == advice["recommendation"] and lines[-1].startswith("recommendation: ")
    assert sum(line.startswith("  AP AR of ") for line in lines) == len(train["class_boxes"])


def test_stats_of_a_configured_yolov1_has_both(
    shapes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--config", "quickstart", "--split", "val", "--grid-size", "5"]
    assert main(["data", "stats", str(shapes), *arguments]) == 0
    printed = capsys.readouterr().out
    assert "at best, 5x5 cells" in printed and "at best, yolov1 on " in printed
    assert "7x7" not in printed and printed.splitlines()[-1].startswith("recommendation: ")


def test_stats_of_a_split_without_boxes_with_a_config(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = copy / "annotations/instances_val.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "annotations": []}))
    arguments = ["--split", "val", "--config", "quickstart"]
    assert main(["data", "stats", str(copy), *arguments]) == 0
    printed = capsys.readouterr().out
    assert "nan" not in printed and "no boxes to judge by" in printed


def test_stats_of_an_absent_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "set"
    assert main(["data", "shapes", str(folder), "--images", "1,0,0", "--size", "64x64"]) == 0
    assert main(["data", "stats", str(folder), "--split", "val"]) == 1
    assert "no split 'val'" in capsys.readouterr().err


def test_stats_of_a_split_without_boxes(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = copy / "annotations/instances_val.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "annotations": []}))
    assert main(["data", "stats", str(copy), "--split", "val"]) == 0
    assert "nan" not in capsys.readouterr().out


def test_preview_shows_what_the_network_is_fed(shapes: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("data: {image_size: [96, 128]}\naugment: {mosaic: 1.0}")

    def sheet(name: str, *more: str) -> np.ndarray:
        out = tmp_path / name
        arguments = ["data", "preview", str(shapes), "--out", str(out), "--config", str(config)]
        assert main([*arguments, *more]) == 0
        return np.asarray(Image.open(out))

    first = sheet("a.png", "--count", "4")
    assert first.shape == (2 * 100 + 4, 2 * 132 + 4, 3)
    assert np.array_equal(first, sheet("b.png", "--count", "4"))
    assert not np.array_equal(first, sheet("c.png", "--count", "4", "--epoch", "1"))
    plain = sheet("d.png", "--count", "99", "--split", "val")  # it has three pictures
    assert plain.shape == first.shape
    assert np.array_equal(plain, sheet("e.png", "--split", "val", "--epoch", "5"))


def test_preview_of_evaluation_pictures_is_the_letterboxed_picture(
    shapes: Path, tmp_path: Path
) -> None:
    from yolokit.data.images import read_image
    from yolokit.data.prepare import prepare_image

    config, out = tmp_path / "c.yaml", tmp_path / "sheet.png"
    config.write_text("data: {image_size: 128}")
    arguments = ["--split", "test", "--count", "2", "--config", str(config), "--out", str(out)]
    assert main(["data", "preview", str(shapes), *arguments]) == 0
    sheet = np.asarray(Image.open(out))
    for position, path in enumerate(sorted((shapes / "images/test").iterdir())):
        expected, _ = prepare_image(read_image(path), (128, 128))
        x = 4 + position * 132
        same = (sheet[4:132, x : x + 128] == expected).all(axis=2)
        assert same.mean() > 0.6  # all but outlines and labels


@pytest.mark.parametrize(
    "arguments", [["--out", "sheet.xyz"], ["--out", "a.png", "--count", "0"], []]
)
def test_wrong_usage_of_preview(shapes: Path, arguments: list[str]) -> None:
    assert main(["data", "preview", str(shapes), *arguments]) == 2


@pytest.mark.parametrize("name", ["check", "stats", "preview"])
def test_no_data_there(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--out", str(tmp_path / "a.png")] if name == "preview" else []
    assert main(["data", name, str(tmp_path / "nothing"), *more]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1


def test_convert_says_what_it_wrote_and_what_is_lost(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new set"
    assert main(["data", "convert", str(copy), str(new), "--to", "yolo"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.split()[:3] for line in lines[:3]] == [
        ["train", "6", "pictures,"], ["val", "3", "pictures,"], ["test", "2", "pictures,"],
    ]  # fmt: skip
    assert lines[3:] == [
        f"wrote {new}",
        f"next: yolokit train yolo_mobilenet_v2 --data '{new}'",
    ]
    assert "segmentations, of which the boxes stay" in err
    assert all(line.startswith("lost: ") for line in err.splitlines())
    assert main(["data", "check", str(new)]) == 0
    assert main(["data", "convert", str(copy), str(new), "--to", "voc"]) == 1
    assert "is not an empty folder" in capsys.readouterr().err


def test_a_subset_that_names_no_split_is_told_wherever_it_is_left_out(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    night = copy / "annotations/instances_night.json"
    shutil.copy(copy / "annotations/instances_test.json", night)
    said = f"instances_night.json in {night.parent}: of no split by name and not read."
    assert main(["data", "check", str(copy)]) == 0
    assert said in capsys.readouterr().out
    assert main(["data", "convert", str(copy), str(tmp_path / "new"), "--to", "yolo"]) == 0
    assert f"lost: {said}" in capsys.readouterr().err
    train = ["train", "quickstart", "--data", str(copy), "--run", str(tmp_path / "run")]
    assert main([*train, "-o", "model.backbone.weights=nowhere.pth"]) == 1
    assert f"note: {said}" in capsys.readouterr().err


def test_convert_names_what_it_leaves_out_and_exits_with_3(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "convert", str(copy), str(tmp_path / "yolo"), "--to", "yolo"]) == 0
    (label,) = sorted((tmp_path / "yolo/labels/val").iterdir())[:1]
    label.write_text("0 0.5 0.5 0.5 0.5\nx\n")
    capsys.readouterr()
    assert (
        main(["data", "convert", str(tmp_path / "yolo"), str(tmp_path / "voc"), "--to", "voc"]) == 3
    )
    assert (
        "warning: val: 1 annotations cannot be used and are left out: "
        f"labels/val/{label.name}:2 (not four numbers)" in capsys.readouterr().err
    )


def test_check_names_a_bad_label_by_file_and_line(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "convert", str(copy), str(tmp_path / "yolo"), "--to", "yolo"]) == 0
    (label,) = sorted((tmp_path / "yolo/labels/train").iterdir())[:1]
    label.write_text(label.read_text() + "7 0.5 0.5 0.5 0.5\n")
    line = len(label.read_text().splitlines())
    capsys.readouterr()
    main(["data", "check", str(tmp_path / "yolo")])
    assert f"    labels/train/{label.name}:{line}" in capsys.readouterr().out.splitlines()
