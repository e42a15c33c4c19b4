"""Fixtures for the whole suite."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from yolokit.config import ModelConfig
from yolokit.models.build import build_detector
from yolokit.models.card import ModelCard
from yolokit.models.detector import Detector
from yolokit.models.model_file import save_model
from yolokit.sections import BackboneConfig, SplitConfig

REPOSITORY = Path(__file__).resolve().parents[1]
MakeDetector = Callable[..., Detector]
WriteSplit = Callable[..., SplitConfig]


if hasattr(signal, "SIGHUP"):  # under nohup it is ignored, here and in all that tests start
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever reads the real photos carries the marker ``real``."""
    for item in items:
        if "real_root" in getattr(item, "fixturenames", ()):
            item.add_marker("real")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The source checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_root() -> Path:
    """The folder of real photos, weights and reference numbers; skips where it is absent."""
    root = Path(os.environ.get("YOLOKIT_REAL_DATA") or REPOSITORY.parent / "shared")
    if not (root / "data").is_dir():
        pytest.skip(f"no real photos in {root}: set YOLOKIT_REAL_DATA (see CONTRIBUTING.md)")
    return root


@pytest.fixture
def make_detector() -> MakeDetector:
    """Builds a detector with random, seeded weights: ``make("resnet18", grid_size=3, …)``."""

    def make(
        backbone: str = "squeezenet1_1",
        *,
        num_classes: int = 3,
        image_hw: tuple[int, int] = (64, 96),
        seed: int = 0,
        head: str = "yolov1",
        backbone_options: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Detector:
        torch.manual_seed(seed)
        part = {"name": backbone, "weights": "none", **(backbone_options or {})}
        small = {"grid_size": 3, "channels": 16} if head == "yolov1" else {}
        tree = {"head": {"type": head, **small, **settings}, "backbone": part}
        config = ModelConfig.model_validate(tree)
        return build_detector(config, num_classes=num_classes, image_hw=image_hw)

    return make


@pytest.fixture
def write_split(tmp_path: Path) -> WriteSplit:
    """Write an annotation file from plain values; parts not given are small and valid."""

    def write(
        annotations: list[dict[str, Any]] | None = None,
        images: list[dict[str, Any]] | None = None,
        categories: list[dict[str, Any]] | None = None,
    ) -> SplitConfig:
        default_images = [{"id": 1, "file_name": "a.png", "width": 100, "height": 50}]
        tree = {
            "images": default_images if images is None else images,
            "annotations": [] if annotations is None else annotations,
            "categories": [{"id": 1, "name": "cat"}] if categories is None else categories,
        }
        path = tmp_path / "annotations.json"
        path.write_text(json.dumps(tree))
        return SplitConfig(images=tmp_path, annotations=path)

    return write


@pytest.fixture
def painted_split(tmp_path: Path) -> Callable[..., SplitConfig]:
    """Write noise pictures of several sizes, a white rectangle where each box is."""

    def paint(count: int = 6, crowd_in: int | None = None, empty: int | None = None) -> SplitConfig:
        rng = np.random.default_rng(0)
        images, annotations = [], []
        for number in range(count):
            height, width = 60 + 7 * number, 110 - 9 * number
            picture = rng.integers(0, 90, (height, width, 3), dtype=np.uint8)
            images.append(
                {"id": 10 + number, "file_name": f"{number}.png", "width": width, "height": height}
            )
            for part in range(0 if number == empty else 2):
                x, y, w, h = 5 + 30 * part, 8 + 20 * part, 20, 15
                picture[y : y + h, x : x + w] = 255
                annotations.append(
                    {
                        "id": 100 * number + part,
                        "image_id": 10 + number,
                        "category_id": 3 + 4 * part,
                        "bbox": [x, y, w, h],
                        "area": w * h,
                        "iscrowd": int(number == crowd_in and part == 1),
                    }
                )
            Image.fromarray(picture).save(tmp_path / f"{number}.png")
        categories = [{"id": 7, "name": "seven"}, {"id": 3, "name": "three"}]
        path = tmp_path / "painted.json"
        path.write_text(
            json.dumps({"images": images, "annotations": annotations, "categories": categories})
        )
        return SplitConfig(images=tmp_path, annotations=path)

    return paint


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, ``red`` (category 3) and ``white`` (90); 64 px; untrained."""
    backbone = BackboneConfig(name="squeezenet1_1", weights="none")
    config = ModelConfig.model_validate({"head": {"channels": 8}, "backbone": backbone})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        detector = build_detector(config, num_classes=2, image_hw=(64, 64))
    card = ModelCard(
        model=config,
        class_names=["red", "white"],
        category_ids=[3, 90],
        image_hw=(64, 64),
        mean=detector.backbone.mean,
        std=detector.backbone.std,
    )
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, detector, card)
    return path
