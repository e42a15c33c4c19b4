"""What people type who come from other detectors: one line that names ours, exit status 2."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from yolokit.cli import other_words
from yolokit.cli.main import cli, main
from yolokit.config import Config
from yolokit.config_file import _known_keys

TRAIN = "yolokit train yolo_mobilenet_v2 --data my_data"


@pytest.mark.parametrize(
    ("typed", "ours"),
    [
        ("predict m.safetensors a.jpg", "yolokit detect MODEL SOURCE"),
        ("val --data x", "yolokit eval MODEL --data my_data"),
        ("benchmark m", "yolokit bench MODEL"),
        ("checks", "yolokit env"),
        ("check my_data", "yolokit data check my_data"),
        ("train quickstart --imgsz 640", "-o data.image_size=640"),
        ("train quickstart --img-size=640", "-o data.image_size=640"),
        ("train quickstart --batch 16", "-o train.batch_size=16"),
        ("train quickstart --batch_size 16", "-o train.batch_size=16"),
        ("train quickstart --weights yolo.pth", "--from MODEL"),
        ("train quickstart --name a", "--run runs/NAME"),
        ("train quickstart --project a", "--run runs/NAME"),
        ("train quickstart --output-dir a", "--run runs/NAME"),
        ("train quickstart --data-path a", "--data my_data"),
        ("train quickstart --lr 0.1", "-o train.lr=0.001"),
        ("train quickstart --patience 3", "-o train.early_stopping=20"),
        ("eval m --imgsz 640", "a model brings its input size"),
        ("eval m --batch 2", "--batch-size 16"),
        ("detect m a.jpg --conf-thres 0.2", "--conf 0.25"),
        ("detect m a.jpg --iou_thres 0.2", "--iou 0.65"),
        ("detect --weights m --source a.jpg", "the first argument, MODEL"),
        ("detect m --source a.jpg", "an argument after MODEL: photo.jpg"),
        ("detect m a.jpg --view-img", "--show"),
        ("follow m film.mp4", "yolokit track MODEL SOURCE"),
        ("track m a.mp4 --persist", "leave it out"),
        ("track --source a.mp4 m", "an argument after MODEL: film.mp4"),
        (
            "track model=yolo11n.pt source=a.mp4 tracker=botsort.yaml conf=0.3",
            "yolokit track MODEL a.mp4 --tracker bytetrack --conf 0.3",
        ),
        ("export m --include onnx", "--format onnx"),
        ("bench m --imgsz 9", "a model brings its input size"),
        (
            "train data=coco.yaml model=yolo11n.pt epochs=9 imgsz=640 batch=8 plots=True",
            "yolokit train yolo_mobilenet_v2 --data coco.yaml --epochs 9 -o data.image_size=640 "
            "-o train.batch_size=8",
        ),
        ("detect train data=a.yaml", "yolokit train yolo_mobilenet_v2 --data a.yaml"),
        (
            "predict model=yolo11n.pt source='my photos' conf=0.3",
            "yolokit detect MODEL 'my photos' --conf 0.3",
        ),
        (
            "predict model=m.onnx source=shots save=False save_txt=True save_crop=False",
            "yolokit detect m.onnx shots --save-txt --no-save-images --no-save-video",
        ),
        ("predict model=m.onnx source=shots save=True", "yolokit detect m.onnx shots"),
        ("detect m a.jpg --nosave", "--no-save-images --no-save-video"),
        ("task=detect mode=val model=m.onnx data=d", "yolokit eval m.onnx --data d"),
        ("export model=a.pt format=onnx half=True", "yolokit export MODEL --format onnx --half"),
        ("detect yolo11n.pt a.jpg", TRAIN),
        ("eval yolov8s.pt --data d", TRAIN),
        ("train quickstart --from yolo11n.pt", TRAIN),
    ],
)
def test_one_line_names_ours(typed: str, ours: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(typed)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and ours in line, line


@pytest.mark.parametrize("typed", ["nothing", "train --nothing", "train quickstart --nothing=3"])
def test_words_that_nobody_has_are_wrong_usage(
    typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: no such ") and "--help" in line


def test_a_picture_may_be_called_like_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "source=a.jpg").touch()
    assert main(["detect", "absent.safetensors", "source=a.jpg"]) == 1
    assert "cannot decode source=a.jpg: not a picture" in capsys.readouterr().err


def test_every_name_of_ours_in_a_hint_exists() -> None:
    """What a hint tells people to type is an option of that command, or a key of a config."""
    keys = set(_known_keys(Config))
    context = click.Context(cli)
    for name, table in other_words._OF_COMMAND.items():
        command = cli.get_command(context, name)
        assert command is not None
        options = {each for parameter in command.params for each in parameter.opts}
        options |= {each for parameter in command.params for each in parameter.secondary_opts}
        for ours, _ in table.values():
            assert set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", ours)) <= options, ours
            assert set(re.findall(r"[a-z]+\.[a-z_.]+(?==)", ours)) <= keys, ours


def test_hints_need_no_config_and_no_torch() -> None:
    code = (
        "import sys; from yolokit.cli.main import main\n"
        "for words in (['predict'], ['train', '--imgsz', '3'], ['train', 'data=a']):\n"
        "    assert main(words) == 2\n"
        "print({'torch', 'numpy', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
