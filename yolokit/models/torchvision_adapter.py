"""torchvision's detection contract around a detector, for training code written for that.

Shape legend: H × W pixels of one picture, N boxes in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from yolokit.models.detector import Detector
from yolokit.ops.letterbox import fit_letterbox, resized_hw
from yolokit.types import DecodedArrays, Detections, GridOutput, Letterbox, Truth

_WHITE = 255.0
_PAD = 114.0 / 255  # the grey that pictures are padded with, on torchvision's 0..1 scale

Criterion = Callable[[list[GridOutput], list[Truth]], Mapping[str, Tensor]]
Select = Callable[[DecodedArrays, Sequence[Letterbox]], list[Detections]]


class TorchvisionAdapter(nn.Module):
    """``model(images, targets)``: a dict of losses in training, else a list of detections.

    Pictures are resized on their device by torch, not by the code that ``predict`` uses: boxes
    agree to a fraction of a pixel, not to the last bit. Labels are 0..C-1, without background.

    Args:
        detector: trained through this adapter, or already trained.
        criterion: raw outputs and truths in input pixels to named losses.
        select: decoded arrays and letterboxes to detections, its thresholds bound.
        image_hw: the network input's (height, width) in pixels.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        criterion: Criterion,
        select: Select,
        image_hw: tuple[int, int],
    ) -> None:
        super().__init__()
        self.detector = detector
        self.criterion = criterion
        self.select = select
        self.image_hw = image_hw

    def forward(
        self, images: Sequence[Tensor], targets: Sequence[Mapping[str, Tensor]] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Losses or detections, by the mode.

        Args:
            images: each [3, H, W] float RGB in 0..1, sizes may differ; at least one.
            targets: one per image in training: ``boxes`` [N, 4] xyxy pixels of the image,
                positive sizes, and ``labels`` [N] int64. Not used in evaluation mode.

        Returns:
            In training the criterion's named losses; else per image ``boxes`` [N, 4] xyxy
            pixels of the image, ``scores`` [N] and ``labels`` [N], best first.

        Raises:
            ValueError: no targets in training, not one per image, or a box without area.
        """
        fitted = [fit_letterbox((i.shape[1], i.shape[2]), self.image_hw) for i in images]
        batch = torch.stack([_lay_out(i, b) for i, b in zip(images, fitted, strict=True)])
        if self.training:
            truths = _to_truths(targets, fitted)
            return dict(self.criterion(self.detector(batch * _WHITE), truths))
        decoded = self.detector.decode(self.detector(batch * _WHITE))
        found = self.select(decoded.numpy(), fitted)
        return [_to_tensors(detections, batch.device) for detections in found]


def _lay_out(image: Tensor, letterbox: Letterbox) -> Tensor:
    left, top = letterbox.pad_xy
    height, width = resized_hw(letterbox)
    canvas = image.new_full((3, *letterbox.input_hw), _PAD)
    resized = F.interpolate(image[None], size=(height, width), mode="bilinear", antialias=True)
    canvas[:, top : top + height, left : left + width] = resized[0]
    return canvas


def _to_truths(
    targets: Sequence[Mapping[str, Tensor]] | None, letterboxes: Sequence[Letterbox]
) -> list[Truth]:
    if targets is None or len(targets) != len(letterboxes):
        given = "none" if targets is None else str(len(targets))
        raise ValueError(f"training wants {len(letterboxes)} targets, one per image, got {given}")
    return [_to_truth(target, box) for target, box in zip(targets, letterboxes, strict=True)]


def _to_truth(target: Mapping[str, Tensor], letterbox: Letterbox) -> Truth:
    boxes = target["boxes"].float().reshape(-1, 4)
    if (boxes[:, 2:] <= boxes[:, :2]).any():
        raise ValueError("every target box must have x2 > x1 and y2 > y1")
    scale, pad = (boxes.new_tensor(xy * 2) for xy in (letterbox.scale_xy, letterbox.pad_xy))
    return Truth(boxes=boxes * scale + pad, labels=target["labels"])


def _to_tensors(detections: Detections, device: torch.device) -> dict[str, Tensor]:
    return {
        name: torch.from_numpy(getattr(detections, name)).to(device)
        for name in ("boxes", "scores", "labels")
    }
