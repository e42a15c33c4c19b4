"""Pictures for torchvision's detectors, what a detector finds in them, and its AP on val.

Shape legend: N objects of one picture.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sets import Truth
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.io import ImageReadMode, read_image
from torchvision.transforms import v2

Sample = tuple[Tensor, dict[str, Tensor]]


class Pictures(Dataset[Sample]):
    """The training pictures, decoded once, augmented anew whenever they are asked for.

    Args:
        truth: of the training split.
        image_size: longest side that the model sees, pixels.
    """

    def __init__(self, truth: Truth, image_size: int) -> None:
        self.samples = [_sample(picture) for picture in truth.pictures]
        self.before = v2.Compose([v2.RandomIoUCrop(), v2.RandomHorizontalFlip(0.5)])
        self.after = v2.Compose(
            [
                v2.RandomPhotometricDistort(p=0.5),
                v2.SanitizeBoundingBoxes(),
                v2.ToDtype(torch.float32, scale=True),
                v2.ToPureTensor(),
            ]
        )
        self.image_size = image_size

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        image, target = self.before(*self.samples[index])
        resize = v2.Resize(fitted_size(image.shape[-2:], self.image_size), antialias=True)
        sample: Sample = self.after(*resize(image, target))
        return sample


def _sample(picture: Any) -> tuple[Tensor, dict[str, Tensor]]:
    image = tv_tensors.Image(_read(picture.file))
    corners = [box[1:] for box in picture.boxes]
    boxes = tv_tensors.BoundingBoxes(
        torch.tensor(corners, dtype=torch.float32).reshape(-1, 4),
        format="XYXY",
        canvas_size=(picture.height, picture.width),
    )
    return image, {
        "boxes": boxes,
        "labels": torch.tensor([box.label for box in picture.boxes]).long(),
    }


def fitted_size(image_hw: Sequence[int], longest: int) -> list[int]:
    """The (height, width) of a picture whose longer side is made ``longest``."""
    scale = longest / max(image_hw)
    return [max(1, round(side * scale)) for side in image_hw]


@torch.inference_mode()
def detect(model: nn.Module, truth: Truth, image_size: int) -> list[dict[str, Any]]:
    """COCO rows of a split, in pixels of the original pictures."""
    model.eval()
    device = next((each.device for each in model.parameters()), torch.device("cpu"))
    rows: list[dict[str, Any]] = []
    for picture, image in _images(truth):
        height, width = fitted_size(image.shape[-2:], image_size)
        small = v2.functional.resize(image, [height, width], antialias=True).float() / 255
        found = {key: value.cpu() for key, value in model([small.to(device)])[0].items()}
        back = torch.tensor([picture.width / width, picture.height / height] * 2)
        left, top, right, bottom = (found["boxes"] * back).unbind(1)
        boxes = torch.stack([left, top, right - left, bottom - top], dim=1).tolist()  # [N, 4] xywh
        scores, labels = found["scores"].tolist(), found["labels"].tolist()
        rows.extend(
            {
                "image_id": picture.image_id,
                "category_id": truth.category_ids[label],
                "bbox": box,
                "score": score,
            }
            for box, score, label in zip(boxes, scores, labels, strict=True)
        )
    return rows


def _images(truth: Truth) -> Iterator[tuple[Any, Tensor]]:
    for picture in truth.pictures:
        yield picture, _read(picture.file)


def _read(file: Path) -> Tensor:
    return read_image(str(file), ImageReadMode.RGB, apply_exif_orientation=True)


def average_precision(annotations: Path, rows: list[dict[str, Any]]) -> float:
    """pycocotools' AP; 0 where nothing was found."""
    if not rows:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        evaluation = COCOeval(truth, truth.loadRes(rows), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])
