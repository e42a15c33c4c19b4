"""torchvision's runner: sizes, augmentation, coordinates of what it exports."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from list_sets import describe
from sets import Split, Truth, read_truth
from torch import Tensor, nn
from torchvision.models import mobilenet_v2
from torchvision_pictures import Pictures, average_precision, detect, fitted_size
from torchvision_run import build, load_backbone


@pytest.fixture
def split(pair_of_pictures: Path) -> Split:
    paths = describe(pair_of_pictures)["splits"]["train"]
    return Split(
        images=Path(paths["images"]), annotations=Path(paths["annotations"]), fingerprint=""
    )


@pytest.fixture
def truth(split: Split) -> Truth:
    return read_truth(split)


class WholePicture(nn.Module):
    """Finds one object of class 1 that fills the picture."""

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        height, width = images[0].shape[-2:]
        box = torch.tensor([[0.0, 0.0, width, height]])
        return [{"boxes": box, "scores": torch.tensor([0.5]), "labels": torch.tensor([1])}]


def test_the_longer_side_fits() -> None:
    assert fitted_size((480, 640), 320) == [240, 320]
    assert fitted_size((194, 259), 320) == [240, 320]  # 239.7: small pictures grow
    assert fitted_size((1, 1000), 320) == [1, 320]


def test_detections_are_in_pixels_of_the_original(truth: Truth) -> None:
    rows = detect(WholePicture(), truth, 32)
    assert [row["bbox"] for row in rows] == [[0, 0, 200, 100], [0, 0, 40, 60]]
    assert [(row["image_id"], row["category_id"]) for row in rows] == [(41, 7), (5, 7)]


def test_perfect_rows_score_one_and_none_score_zero(split: Split, truth: Truth) -> None:
    rows = [
        {
            "image_id": picture.image_id,
            "category_id": truth.category_ids[box.label],
            "bbox": [box.left, box.top, box.right - box.left, box.bottom - box.top],
            "score": 0.9,
        }
        for picture in truth.pictures
        for box in picture.boxes[:1]  # the other one reaches over the edge in the file
    ]
    tree = split.annotations.read_text().replace('"category_id": 3', '"category_id": 7')
    split.annotations.write_text(_with_areas(tree))
    assert average_precision(split.annotations, rows) == pytest.approx(51 / 101)  # 1 of 2 found
    assert average_precision(split.annotations, []) == 0.0


def _with_areas(text: str) -> str:
    """pycocotools itself wants an area and iscrowd for each annotation."""
    import json

    tree = json.loads(text)
    for annotation in tree["annotations"]:
        annotation["area"] = annotation["bbox"][2] * annotation["bbox"][3]
        annotation.setdefault("iscrowd", 0)
    return json.dumps(tree)


def test_training_pictures_keep_boxes_inside(truth: Truth) -> None:
    torch.manual_seed(0)
    pictures = Pictures(truth, 64)
    for index in [0] * 20 + [1] * 3:
        image, target = pictures[index]
        height, width = image.shape[-2:]
        assert max(height, width) == 64
        assert image.dtype == torch.float32
        assert float(image.max()) <= 1
        assert len(target["boxes"]) == len(target["labels"])
        left, top, right, bottom = target["boxes"].unbind(1)
        assert (left >= 0).all()
        assert (top >= 0).all()
        assert (right <= width).all()
        assert (bottom <= height).all()


def test_the_backbone_holds_the_files_tensors(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = mobilenet_v2(weights=None).features.state_dict()
    torch.save({f"features.{key}": value for key, value in state.items()}, tmp_path / "w.pth")
    model = build(2, argparse.Namespace(channels=32, image_size=64))
    load_backbone(model, tmp_path / "w.pth")
    loaded = model.backbone.body.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())
    maps = model.backbone(torch.zeros(1, 3, 64, 64))
    assert [tuple(each.shape[1:]) for each in maps.values()][:3] == [
        (32, 8, 8),
        (32, 4, 4),
        (32, 2, 2),
    ]
