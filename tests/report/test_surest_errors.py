"""Crops of the surest errors: what they show, and of where."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from yolokit.data.coco import CocoDataset
from yolokit.data.locate import choose_split
from yolokit.evaluation.suspects import Suspect
from yolokit.report.pictures import VERDICT_COLOURS
from yolokit.report.surest_errors import suspect_crops, window
from yolokit.synthesis.dataset import synthesise


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        # 100 x 60 around (150, 130), and half of 100 on each side
        ([[100, 100, 200, 160]], (50, 50, 250, 210)),
        # both boxes, 120 x 60 around (160, 130), and 60 on each side
        ([[100, 100, 200, 160], [180, 110, 220, 150]], (40, 40, 280, 220)),
        # a small one stands in 64 px
        ([[100, 100, 110, 108]], (73, 72, 137, 136)),
        # at the corner of the picture, and larger than it
        ([[0, 0, 8, 8]], (0, 0, 36, 36)),
        ([[-50, -50, 900, 900]], (0, 0, 400, 300)),
        # outside: still a picture
        ([[500, 500, 520, 520]], (399, 299, 400, 300)),
    ],
)
def test_a_crop_shows_all_boxes_and_what_surrounds_them(
    boxes: list[list[float]], expected: tuple[int, int, int, int]
) -> None:
    assert window(np.array(boxes, dtype=np.float32), (300, 400)) == expected


def test_a_crop_has_both_boxes_and_the_ids(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("crops") / "set"
    synthesise(folder, images=(1, 2, 1), size_hw=(120, 160), classes=2, seed=8, video=False)
    dataset = CocoDataset.load(choose_split(folder, "val"))
    suspect = Suspect(
        image_id=dataset.image_ids[1],
        file_name=str(dataset.file_names[1]),
        kind="Cls",
        class_name="disc",
        score=0.97,
        box=(40.0, 40.0, 100.0, 80.0),
        annotation_id=7,
        annotation_class="square",
        annotation_box=(60.0, 44.0, 110.0, 90.0),
    )
    (crop,) = suspect_crops(dataset, [suspect])
    assert crop.caption == f"image {dataset.image_ids[1]}, annotation 7"
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(crop.uri.partition(",")[2]))))
    assert max(shown.shape) == 240
    for verdict in ("false", "found"):
        distance = np.abs(shown.astype(int) - VERDICT_COLOURS[verdict]).max(-1)
        assert (distance < 40).sum() > 200
