"""The one place that knows all heads, and a head that is added to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import yolokit
from yolokit.config import Config
from yolokit.heads.family import HEADS, config_class, family_of, read_head
from yolokit.synthesis.dataset import synthesise
from yolokit.types import GridOutput, Truth

TOY = Path(__file__).with_name("toy_head")


@pytest.mark.parametrize("head", HEADS)
def test_a_bare_name_is_the_head_with_its_defaults(head: str) -> None:
    config = Config.model_validate({"model": {"head": head}}).model.head
    assert config == read_head(head) == read_head({"type": head}) == config_class(head)()
    assert config.type == head


@pytest.mark.parametrize("head", HEADS)
def test_the_terms_of_a_loss_are_named_as_their_weights(head: str) -> None:
    config = read_head(head)
    family = family_of(config)
    levels = 3 if family.own_grid is None else 1
    outputs = [
        GridOutput(
            classes=torch.zeros(1, 4, 4, 2),
            confidences=None if family.own_grid is None else torch.zeros(1, 4, 4, 2),
            box_codes=torch.zeros(1, 4, 4, 1, 64) if levels == 3 else torch.zeros(1, 4, 4, 2, 4),
            stride_hw=(8.0, 8.0),
        )
        for _ in range(levels)
    ]
    truth = Truth(torch.tensor([[4.0, 4, 20, 20]]), torch.tensor([1]))
    terms = family.criterion()(outputs, [truth])
    assert set(terms) <= set(type(config.loss).model_fields)


def test_a_head_is_one_folder_and_one_line(tmp_path: Path) -> None:
    """A copy of the package with a folder more and a name more trains, scores and reports it."""
    package = tmp_path / "yolokit"
    shutil.copytree(Path(yolokit.__file__).parent, package, ignore=lambda *_: {"__pycache__"})
    shutil.copytree(TOY, package / "heads" / "toy")
    family = package / "heads" / "family.py"
    line = next(line for line in family.read_text().splitlines() if line.startswith("HEADS = ("))
    assert line.count('"yolo")') == 1
    family.write_text(family.read_text().replace(line, line.replace('"yolo")', '"yolo", "toy")')))

    data = tmp_path / "set"
    synthesise(data, images=(8, 2, 0), size_hw=(64, 64), classes=2, seed=0, video=False)
    config = tmp_path / "toy.yaml"
    backbone = {"name": "squeezenet1_1", "weights": "none"}
    tree = {
        "model": {"head": {"type": "toy", "cells": 4}, "backbone": backbone},
        "data": {"image_size": 64},
        "train": {"epochs": 1, "batch_size": 4, "workers": 0},
    }
    config.write_text(yaml.safe_dump(tree))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "yolokit", *words]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    printed = run("train", "toy.yaml", "--data", "set", "--run", "run", "--device", "cpu")
    assert "toy on squeezenet1_1" in printed and "4x4 toy cells" in printed
    assert (tmp_path / "run" / "report.html").is_file()
    header = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"distance", "AP"} <= set(header)
    assert "toy on 64x64 px, 4x4 toy cells" in run(
        "data", "stats", "set", "--config", "toy.yaml", "--split", "train"
    )
