"""The reference reader, which imports nothing of yolokit's, finds what yolokit finds.

Its pixels may differ from ours by one level: OpenCV rounds half a level to even, or up where two
pixels by two become one, and computes enlarged pictures in fixed point. So scores may differ by
what a level is worth to the network; the network made here gives boxes that do not depend on it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
from exported_files import HW, NAMES, make_card, write_onnx
from numpy.typing import NDArray
from PIL import Image

import yolokit
from yolokit.data.prepare import prepare_image
from yolokit.inference.postprocess import select_detections
from yolokit.synthesis.scenes import make_scene
from yolokit.types import DecodedArrays

LEVEL = 1 / 255
MOST_LINES = 60
SIZES = [(480, 640), (333, 217), (64, 96), (50, 800), (128, 192), (97, 131), (40, 30), (3, 5)]


@pytest.fixture(scope="module")
def file(repository: Path) -> Path:
    return repository / "examples/onnx_reader.py"


@pytest.fixture(scope="module")
def reader(file: Path) -> ModuleType:
    spec = spec_from_file_location("onnx_reader", file)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def photo(image_hw: tuple[int, int]) -> NDArray[np.uint8]:
    return make_scene(np.random.default_rng(3), image_hw, 3, 0.5).image


def test_it_is_short_and_imports_nothing_of_ours(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES
    imports = {line.split()[1] for line in lines if line.startswith(("import", "from"))}
    assert imports == {"json", "sys", "numpy", "onnxruntime", "PIL"}


@pytest.mark.parametrize("image_hw", SIZES)
def test_the_letterbox_is_ours(reader: ModuleType, image_hw: tuple[int, int]) -> None:
    image = photo(image_hw) if min(image_hw) >= 30 else np.full((*image_hw, 3), 9, dtype=np.uint8)
    image = image.copy()
    image[:: max(1, image_hw[0] // 7)] = 255  # hard edges
    padded, scale_xy, pad_xy = reader.letterbox(image, HW)
    expected, letterbox = prepare_image(image, HW)
    assert (scale_xy, pad_xy) == (letterbox.scale_xy, letterbox.pad_xy)
    difference = np.abs(padded.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.1


@pytest.mark.parametrize("image_hw", SIZES[:7])
@pytest.mark.parametrize("one_to_one", [False, True])
def test_the_boxes_are_ours(
    reader: ModuleType, tmp_path: Path, image_hw: tuple[int, int], one_to_one: bool
) -> None:
    """With a threshold that no score comes near, so that no level decides what is found."""
    path = write_onnx(tmp_path / "cells.onnx", make_card(one_to_one=one_to_one))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    card = json.loads(session.get_modelmeta().custom_metadata_map["yolokit"])
    model, image = yolokit.load(path), photo(image_hw)
    conf = gap(model.predict_images([image], conf=0.2)[0].scores)
    (expected,) = model.predict_images([image], conf=conf)
    found = by_place(reader.detect(session, card, image, conf=conf))
    ours = by_place(zip(expected.boxes, expected.scores, expected.labels, strict=True))
    assert len(found) == len(ours) > 3
    np.testing.assert_allclose(found[:, :5], ours[:, :5], atol=1e-3)  # corners and label
    np.testing.assert_allclose(found[:, 5], ours[:, 5], atol=LEVEL)


def gap(scores: NDArray[np.float32]) -> float:
    """The middle of the widest gap between neighbouring scores, several levels wide."""
    ordered = np.sort(scores)
    widest = int(np.diff(ordered[:-4]).argmax())
    assert ordered[widest + 1] - ordered[widest] > LEVEL
    return float(ordered[widest : widest + 2].mean())


def by_place(rows: Iterable[Any]) -> NDArray[np.float64]:
    """Corners, label and score, in an order that nearly equal scores do not decide."""
    flat = [np.hstack([np.ravel(part) for part in row]) for row in rows]
    found = np.array([(*row[:4], row[5], row[4]) for row in flat])
    return found[np.lexsort(np.round(found[:, :5], 2).T)]


def test_overlapping_boxes_fall_as_ours_do(reader: ModuleType) -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 60, (80, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (80, 2))], axis=1)
    scores = rng.uniform(0, 1, (80, 3)).astype(np.float32)

    class Session:
        def run(self, _names: list[str], _feeds: dict[str, Any]) -> list[NDArray[np.float32]]:
            return [boxes[None].astype(np.float32), scores[None]]

    card = json.loads(make_card().model_dump_json())
    image = np.zeros((*HW, 3), dtype=np.uint8)
    found = np.array(reader.detect(Session(), card, image, conf=0.3))
    (expected,) = select_detections(
        DecodedArrays(boxes[None].astype(np.float32), scores[None]),
        [prepare_image(image, HW)[1]],
        score_threshold=0.3,
        iou_threshold=0.65,
        max_detections=100,
    )
    assert len(found) == len(expected) < (scores > 0.3).sum()
    np.testing.assert_allclose(found[:, :4], expected.boxes, atol=1e-4)
    np.testing.assert_array_equal(found[:, 5], expected.labels)


def test_it_runs_as_a_program(file: Path, tmp_path: Path) -> None:
    model, picture = write_onnx(tmp_path / "cells.onnx"), np.zeros((*HW, 3), dtype=np.uint8)
    picture[16:32, 32:48, 1] = 204
    Image.fromarray(picture).save(tmp_path / "a.png")
    done = subprocess.run(
        [sys.executable, file, model, tmp_path / "a.png"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{NAMES[1]} 0.800 32.0 16.0 48.0 32.0\n"
