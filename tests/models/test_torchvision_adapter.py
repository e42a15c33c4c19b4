"""torchvision's contract: losses in training, detections in the pictures' own pixels otherwise."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from yolokit.data.prepare import prepare_image
from yolokit.heads.yolov1.config import YoloV1LossConfig
from yolokit.heads.yolov1.loss import YoloV1Loss
from yolokit.inference.postprocess import select_detections
from yolokit.models.torchvision_adapter import TorchvisionAdapter
from yolokit.types import Truth

HW = (64, 96)
CRITERION = YoloV1Loss(YoloV1LossConfig())
SELECT = partial(select_detections, score_threshold=0.001, iou_threshold=0.65, max_detections=20)


@pytest.fixture
def adapter(make_detector: Any) -> TorchvisionAdapter:
    return TorchvisionAdapter(make_detector(), criterion=CRITERION, select=SELECT, image_hw=HW)


def _target(boxes: list[list[float]]) -> dict[str, torch.Tensor]:
    return {
        "boxes": torch.tensor(boxes).reshape(-1, 4),
        "labels": torch.zeros(len(boxes), dtype=torch.int64),
    }


def test_losses_are_the_criterions_in_the_input_frame(adapter: TorchvisionAdapter) -> None:
    torch.manual_seed(0)
    image = torch.rand(3, 32, 48)  # exactly half the input
    got = adapter.train()([image], [_target([[4, 6, 20, 30]])])
    assert isinstance(got, dict)
    doubled = torch.nn.functional.interpolate(image[None], size=HW, mode="bilinear", antialias=True)
    truth = Truth(torch.tensor([[8.0, 12, 40, 60]]), torch.zeros(1, dtype=torch.int64))
    expected = CRITERION(adapter.detector(doubled * 255), [truth])
    assert got.keys() == expected.keys()
    for name in got:
        torch.testing.assert_close(got[name], expected[name])
    sum(got.values(), torch.zeros(())).backward()
    assert all(p.grad is not None for p in adapter.parameters())


def test_detections_agree_with_the_usual_way(adapter: TorchvisionAdapter) -> None:
    """At the input's own size nothing is resized, so both ways see the same pixels."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*HW, 3), dtype=np.uint8)
    tensor = torch.from_numpy(image).permute(2, 0, 1) / 255
    prepared, letterbox = prepare_image(image, HW)
    adapter.eval()
    with torch.no_grad():
        (got,) = adapter([tensor])
        batch = torch.from_numpy(prepared).permute(2, 0, 1)[None]
        (expected,) = SELECT(adapter.detector.decode(adapter.detector(batch)).numpy(), [letterbox])
    assert isinstance(got, dict) and len(got["boxes"]) == len(expected) > 0
    np.testing.assert_allclose(got["boxes"], expected.boxes, atol=1e-3)
    np.testing.assert_allclose(got["scores"], expected.scores, atol=1e-5)
    np.testing.assert_array_equal(got["labels"], expected.labels)


def test_sizes_may_differ(adapter: TorchvisionAdapter) -> None:
    images = [torch.rand(3, 40, 31), torch.rand(3, 100, 201)]
    adapter.train()(images, [_target([]), _target([[0, 0, 200, 99]])])
    with torch.no_grad():
        found = adapter.eval()(images)
    for detections, (width, height) in zip(found, [(31, 40), (201, 100)], strict=True):
        assert isinstance(detections, dict)
        assert (detections["boxes"] <= torch.tensor([width, height, width, height])).all()


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (None, "wants 1 targets, one per image, got none"),
        ([], "wants 1 targets, one per image, got 0"),
        ([_target([[3, 3, 3, 9]])], "x2 > x1"),
    ],
)
def test_bad_targets(adapter: TorchvisionAdapter, targets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        adapter.train()([torch.rand(3, 32, 48)], targets)
