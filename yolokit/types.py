"""The values that travel between rooms.

Shape legend: H, W image height and width in pixels; N boxes; B images in a batch; C classes;
S_h, S_w grid rows and columns; A boxes predicted by one cell; K numbers that code one box.

A box in memory is always xyxy, float32, absolute pixels. Only its frame changes: the *original*
picture, or the network's *input* after letterboxing. Each field says which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # an exported model runs without torch: nothing here may import it
    from torch import Tensor


ImageId: TypeAlias = int | str  # of a picture or annotation, as its file writes it


class LevelSpec(NamedTuple):
    """What a feature level is: ``channels`` wide, one cell every ``stride`` input pixels."""

    channels: int
    stride: int


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One picture with its truth, before it is fitted to the network's input.

    Args:
        image: [H, W, 3] uint8 RGB, upright (EXIF orientation applied).
        boxes: [N, 4] float32 xyxy pixels of ``image``.
        labels: [N] int64 in 0..C-1.
        image_id: the id in the COCO file.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    image_id: ImageId


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How an original picture lies in the network's input: scaled, then padded.

    ``x_input = x_original * scale_xy[0] + pad_xy[0]``, the same for y. The two scales differ
    only by the rounding of the resized picture to whole pixels.
    """

    original_hw: tuple[int, int]
    input_hw: tuple[int, int]
    scale_xy: tuple[float, float]
    pad_xy: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The annotated boxes of one picture: boxes [N, 4] float32 input pixels, labels [N] int64."""

    boxes: Tensor
    labels: Tensor

    def pin_memory(self) -> Truth:
        """A copy in page-locked memory."""
        return Truth(self.boxes.pin_memory(), self.labels.pin_memory())


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Pictures of one size with their truths: images [B, 3, H, W] uint8 RGB, lists of length B."""

    images: Tensor
    truths: list[Truth]
    letterboxes: list[Letterbox]
    image_ids: list[ImageId]

    def pin_memory(self) -> Batch:
        """A copy in page-locked memory, which a GPU fetches while it computes.

        ``DataLoader(pin_memory=True)`` calls it; a batch without it would pass unpinned.
        """
        truths = [truth.pin_memory() for truth in self.truths]
        return replace(self, images=self.images.pin_memory(), truths=truths)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureBatch:
    """A batch whose pictures the backbone has seen before: its maps of them, and their truths.

    Args:
        features: [B, C, h, w] of each level of the backbone, shallow to deep, float16 or float32 in
            channels-last order; an empty tensor where nobody reads the level.
        image_hw: (height, width) of the pictures, pixels.
        truths, letterboxes, image_ids: lists of length B, as a ``Batch`` has them.
    """

    features: list[Tensor]
    image_hw: tuple[int, int]
    truths: list[Truth]
    letterboxes: list[Letterbox]
    image_ids: list[ImageId]

    def pin_memory(self) -> FeatureBatch:
        """A copy in page-locked memory; see ``Batch``."""
        features = [each.pin_memory() for each in self.features]
        truths = [truth.pin_memory() for truth in self.truths]
        return replace(self, features=features, truths=truths)


@dataclass(frozen=True, slots=True, eq=False)
class GridOutput:
    """A head's raw output at one level, in the grid's own code (see the head's codec).

    Args:
        classes: [B, S_h, S_w, C] raw class outputs.
        confidences: [B, S_h, S_w, A] raw confidence outputs, or None where the class output
            itself carries the confidence.
        box_codes: [B, S_h, S_w, A, K] raw box outputs.
        stride_hw: input pixels per cell, (vertical, horizontal).
        one_to_one: each object has one box, so that nothing needs to be suppressed; beside such
            levels the others serve training only.
    """

    classes: Tensor
    confidences: Tensor | None
    box_codes: Tensor
    stride_hw: tuple[float, float]
    one_to_one: bool = False


class DecodedArrays(NamedTuple):
    """What a backend finds in a batch, before thresholds: ``DecodedBoxes`` without torch.

    boxes [B, N, 4] float32 xyxy input pixels, scores [B, N, C] float32. With ``one_to_one`` each
    object has one box, and none is suppressed.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    one_to_one: bool = False


class DecodedBoxes(NamedTuple):
    """All boxes of a batch before thresholds: boxes [B, N, 4] input pixels, scores [B, N, C].

    With ``one_to_one`` each object has one box, and none is suppressed.
    """

    boxes: Tensor
    scores: Tensor
    one_to_one: bool = False

    def numpy(self) -> DecodedArrays:
        """The same in float32 arrays, without gradients."""
        boxes, scores = (part.detach().float().cpu().numpy() for part in self[:2])
        return DecodedArrays(boxes, scores, self.one_to_one)


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What was found in one picture, best first. In NumPy, whatever found it.

    Args:
        boxes: [N, 4] float32 xyxy pixels of the original picture.
        scores: [N] float32 in 0..1.
        labels: [N] int64 in 0..C-1.
        track_ids: [N] int64, from 1: the same for an object in all frames of a film; -1 for a box
            that belongs to no confirmed track. None where nothing is tracked.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    track_ids: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.scores)
