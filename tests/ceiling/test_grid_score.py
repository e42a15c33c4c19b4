from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from yolokit.ceiling.grid import grid_ceiling
from yolokit.ceiling.grid_score import score_ceiling
from yolokit.data.coco import CocoDataset
from yolokit.data.locate import locate_splits
from yolokit.evaluation.coco_io import load_truth
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.sections import SplitConfig


def ceiling_of(
    annotations: Path, *, grid_size: int, image_hw: tuple[int, int] = (448, 448)
) -> CocoMetrics:
    split = SplitConfig(images=annotations.parent, annotations=annotations)
    dataset = CocoDataset.load(split, max_bad_boxes=1.0)
    ceiling = grid_ceiling(dataset, grid_size=grid_size, image_hw=image_hw)
    return score_ceiling(dataset, ceiling, load_truth(annotations))


@pytest.fixture
def truth_file(tmp_path: Path) -> Path:
    def row(number: int, image_id: int, category_id: int, bbox: list[float]) -> dict[str, Any]:
        return {"id": number, "image_id": image_id, "category_id": category_id, "bbox": bbox}

    tree = {
        "images": [
            {"id": 70, "file_name": "a", "height": 333, "width": 517},
            {"id": 4, "file_name": "b", "height": 101, "width": 57},
        ],
        "categories": [{"id": 30, "name": "dog"}, {"id": 2, "name": "cat"}],
        "annotations": [
            row(0, 70, 30, [10.5, 20.25, 30, 40]),
            row(1, 70, 30, [12.5, 22.25, 28, 38]),  # next to the first
            row(2, 70, 2, [300, 200, 150.125, 99.5]),
            row(3, 4, 30, [5, 6, 40.5, 50.75]),
            row(4, 4, 30, [8, 7, 35, 50]),  # next to the one before
        ],
    }
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(tree))
    return path


def test_lost_boxes_cost_recall_and_nothing_else(truth_file: Path) -> None:
    metrics = ceiling_of(truth_file, grid_size=7)
    # dog: 2 of 4 held, precision 1 up to recall 0.5, 0 beyond: COCO's 101 recall points 0, 0.01,
    # ..., 1 hold 51 that are <= 0.5. cat: its one box is held.
    assert metrics.per_class["dog"] == pytest.approx({"AP": 51 / 101, "AP50": 51 / 101})
    assert metrics.per_class["cat"] == pytest.approx({"AP": 1.0, "AP50": 1.0})
    assert pytest.approx((51 / 101 + 1) / 2) == metrics.AP50
    assert pytest.approx((2 / 4 + 1) / 2) == metrics.AR100


def test_a_fine_grid_holds_everything(truth_file: Path) -> None:
    tree = json.loads(truth_file.read_text())
    apart = [row for row in tree["annotations"] if row["id"] in (0, 2, 3)]
    truth_file.write_text(json.dumps({**tree, "annotations": apart}))
    metrics = ceiling_of(truth_file, grid_size=64, image_hw=(1024, 1024))
    assert metrics.AP == metrics.AR100 == 1.0


def test_truth_without_boxes_has_no_score(truth_file: Path) -> None:
    tree = json.loads(truth_file.read_text())
    truth_file.write_text(json.dumps({**tree, "annotations": []}))
    metrics = ceiling_of(truth_file, grid_size=7)
    assert metrics.to_dict()["AP"] is None


@pytest.mark.parametrize("grid_size", [7, 14])
def test_real_photos_with_one_object_lose_nothing(real_root: Path, grid_size: int) -> None:
    split = locate_splits(real_root / "data" / "raccoon")["test"]
    metrics = ceiling_of(split.annotations, grid_size=grid_size)
    assert metrics.AP == metrics.AR100 == 1.0


def test_real_crowded_photos_lose_more_on_a_coarser_grid(real_root: Path) -> None:
    split = locate_splits(real_root / "data" / "aquarium")["test"]
    coarse, fine = (ceiling_of(split.annotations, grid_size=size) for size in (7, 14))
    assert 0.7 < coarse.AP < 0.85 < fine.AP < 1
    assert all(
        fine.per_class[name]["AP"] >= coarse.per_class[name]["AP"] for name in fine.per_class
    )
