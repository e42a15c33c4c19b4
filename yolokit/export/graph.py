"""A detector as one function of pictures: normalisation, network and decoding in one graph.

Shape legend: B pictures, H × W input pixels, N boxes a picture, C classes.
"""

from __future__ import annotations

import copy
import hashlib
from typing import cast

import torch
from torch import Tensor, nn

from yolokit.models.detector import Detector


class DetectorGraph(nn.Module):
    """Pictures as they are stored to boxes and scores, for ``torch.export``.

    Nothing in it depends on the values it computes; thresholds stay outside.

    Args:
        detector: copied, to the CPU; not changed.
        half: compute the network in 16-bit floats; pictures are normalised and boxes decoded in
            32 bits all the same.
    """

    def __init__(self, detector: Detector, *, half: bool = False) -> None:
        super().__init__()
        self.detector = copy.deepcopy(detector).cpu().to(memory_format=torch.contiguous_format)
        self.eval().requires_grad_(False)
        self.numbers = torch.float16 if half else torch.float32
        for part in (self.detector.backbone, self.detector.neck, self.detector.head):
            cast(nn.Module, part).to(self.numbers)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """All boxes, before any threshold.

        Args:
            images: [B, H, W, 3] uint8 RGB of the network's input size.

        Returns:
            boxes [B, N, 4] float32 xyxy input pixels, scores [B, N, C] float32 in 0..1.
        """
        detector = self.detector
        x = detector.normalise(images.permute(0, 3, 1, 2)).to(self.numbers)
        features = detector.neck(detector.backbone(x))
        decoded = detector.decode(detector.head(features, (images.shape[1], images.shape[2])))
        return decoded.boxes, decoded.scores


def is_one_to_one(detector: Detector, image_hw: tuple[int, int]) -> bool:
    """Whether each object has one box, so that nothing needs to be suppressed."""
    device = detector.get_buffer("mean").device
    grey = torch.zeros((1, 3, *image_hw), dtype=torch.uint8, device=device)
    with torch.inference_mode():
        return detector.decode(detector(grey)).one_to_one


def weights_fingerprint(detector: Detector) -> str:
    """Hash of a detector's weights and batch-norm statistics, wherever they lie."""
    digest = hashlib.sha256()
    for name, tensor in sorted(detector.state_dict().items()):
        numbers = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {numbers.dtype} {tuple(numbers.shape)}".encode())
        digest.update(numbers.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
