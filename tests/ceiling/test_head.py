"""What a head can predict of each truth: by hand, against all ways of sharing out, on real sets."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yolokit.ceiling.grid import grid_ceiling
from yolokit.ceiling.head import CAUSES, HeadCeiling, head_ceiling
from yolokit.data.coco import CocoDataset
from yolokit.data.locate import locate_splits
from yolokit.heads.family import family_of, read_head
from yolokit.sections import SplitConfig

Box = tuple[float, float, float, float]  # x1, y1, x2, y2


def load(folder: Path, size_hw: tuple[int, int], boxes: list[Box], **more: Any) -> CocoDataset:
    """One picture; ``crowd=[…]`` marks boxes by number."""
    crowd = more.get("crowd", [])
    tree = {
        "images": [{"id": 1, "file_name": "1.jpg", "height": size_hw[0], "width": size_hw[1]}],
        "categories": [{"id": 7, "name": "cell"}],
        "annotations": [
            {
                "id": n + 1,
                "image_id": 1,
                "category_id": 7,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "iscrowd": int(n in crowd),
            }
            for n, (x1, y1, x2, y2) in enumerate(boxes)
        ],
    }
    (folder / "truth.json").write_text(json.dumps(tree))
    return CocoDataset.load(
        SplitConfig(images=folder, annotations=folder / "truth.json"), max_bad_boxes=1.0
    )


def ceiling_of(
    dataset: CocoDataset, head: str, *, image_hw: tuple[int, int], **settings: Any
) -> HeadCeiling:
    family = family_of(read_head({"type": head, **settings}))
    return head_ceiling(dataset, family, image_hw=image_hw)


def losses(ceiling: HeadCeiling) -> dict[str, list[int]]:
    found = {cause: np.flatnonzero(getattr(ceiling, cause)).tolist() for cause in CAUSES}
    return {cause: rows for cause, rows in found.items() if rows}


def test_a_box_with_a_cell_of_its_own_is_predicted_exactly(tmp_path: Path) -> None:
    dataset = load(tmp_path, (64, 64), [(3, 5, 30, 40), (33, 5, 60, 40)])
    ceiling = ceiling_of(dataset, "yolo", strides=(8, 16), bins=16, image_hw=(64, 64))
    np.testing.assert_allclose(ceiling.overlaps, 1.0, atol=1e-6)
    np.testing.assert_allclose(ceiling.boxes, dataset.boxes, atol=1e-4)
    assert losses(ceiling) == {} and not ceiling.narrow.any()


def test_more_boxes_than_cells(tmp_path: Path) -> None:
    # One grid of 2 x 2 cells of 16 px, and five boxes that hold all four centres.
    dataset = load(tmp_path, (32, 32), [(0, 0, 32 - n, 32) for n in range(5)])
    ceiling = ceiling_of(dataset, "yolo", strides=(16,), bins=16, image_hw=(32, 32))
    assert (ceiling.overlaps == 0).sum() == 1
    assert losses(ceiling) == {"contested": np.flatnonzero(ceiling.overlaps == 0).tolist()}


def test_a_side_beyond_reach(tmp_path: Path) -> None:
    # Cells of 8 px, three bins: a side is at most 2 - 0.01 cells = 15.92 px from a centre. What a
    # cell near the middle predicts of the whole 64 px picture is 31.84 px square, 0.2475 of it.
    dataset = load(tmp_path, (64, 64), [(0, 0, 64, 64)])
    ceiling = ceiling_of(dataset, "yolo", strides=(8,), bins=3, image_hw=(64, 64))
    assert ceiling.overlaps[0] == pytest.approx((31.84 / 64) ** 2, abs=1e-5)
    assert losses(ceiling) == {"out_of_reach": [0]}
    coarser = ceiling_of(dataset, "yolo", strides=(8, 32), bins=3, image_hw=(64, 64))
    assert losses(coarser) == {} and coarser.overlaps[0] == pytest.approx(1)


def test_a_box_between_all_centres(tmp_path: Path) -> None:
    # Centres of 8 px cells are at 4, 12, …: of a box from 5 to 7 the nearest cell, whose centre
    # lies outside, can only predict 4 to 7. IoU 2² / 3².
    dataset = load(tmp_path, (64, 64), [(5, 5, 7, 7)])
    ceiling = ceiling_of(dataset, "yolo", strides=(8,), bins=16, image_hw=(64, 64))
    np.testing.assert_allclose(ceiling.boxes[0], [4, 4, 7, 7], atol=1e-5)
    assert ceiling.overlaps[0] == pytest.approx(4 / 9, abs=1e-6)
    assert losses(ceiling) == {"off_centre": [0]} and ceiling.narrow.tolist() == [True]
    finer = ceiling_of(dataset, "yolo", strides=(4, 8), bins=16, image_hw=(64, 64))
    assert losses(finer) == {} and finer.overlaps[0] == pytest.approx(1, abs=1e-6)


def test_two_tiny_boxes_in_one_cell_of_each_level(tmp_path: Path) -> None:
    # Both hold the 8 px centre (12, 12) and no other: one grid serves one of them.
    boxes: list[Box] = [(11, 11, 14, 14), (11, 11, 13, 13)]
    dataset = load(tmp_path, (32, 32), boxes)
    ceiling = ceiling_of(dataset, "yolo", strides=(8,), bins=16, image_hw=(32, 32))
    assert sorted(ceiling.overlaps.tolist()) == [0, pytest.approx(1, abs=1e-6)]
    assert list(losses(ceiling)) == ["contested"]


def test_a_box_without_area_in_the_input(tmp_path: Path) -> None:
    # 100 wide, 10000 high: at 64 px the picture is one column, 31 px from the left, where float32
    # cannot tell 0.0001 px of the original.
    dataset = load(tmp_path, (10000, 100), [(1, 10, 1.0001, 5000), (5, 5, 90, 9000)])
    assert len(dataset.boxes) == 2
    ceiling = ceiling_of(dataset, "yolo", strides=(8,), bins=16, image_hw=(64, 64))
    assert "vanished" in losses(ceiling) and losses(ceiling)["vanished"] == [0]
    assert ceiling.overlaps[0] == 0 < ceiling.overlaps[1]
    assert losses(ceiling_of(dataset, "yolov1", grid_size=7, image_hw=(64, 64)))["vanished"] == [0]


def test_crowds_are_neither_predicted_nor_lost(tmp_path: Path) -> None:
    dataset = load(tmp_path, (16, 16), [(0, 0, 16, 16), (1, 1, 15, 15)], crowd=[0])
    for ceiling in (
        ceiling_of(dataset, "yolo", strides=(16,), bins=16, image_hw=(16, 16)),
        ceiling_of(dataset, "yolov1", grid_size=1, image_hw=(16, 16)),
    ):
        np.testing.assert_allclose(ceiling.overlaps, [0, 1], atol=1e-6)
        assert losses(ceiling) == {} and not ceiling.narrow[0]


def test_no_boxes(tmp_path: Path) -> None:
    ceiling = ceiling_of(
        load(tmp_path, (9, 9), []), "yolo", strides=(8,), bins=4, image_hw=(32, 32)
    )
    assert ceiling.boxes.shape == (0, 4) and ceiling.overlaps.shape == (0,)


@pytest.mark.parametrize("seed", range(12))
def test_no_sharing_out_is_better(tmp_path: Path, seed: int) -> None:
    """Every way to give 4 + 1 cells to up to five boxes, each number at a time."""
    rng = np.random.default_rng(seed)
    boxes = []
    for _ in range(int(rng.integers(2, 6))):
        x, y = rng.uniform(0, 28, 2)
        w, h = rng.uniform(1, 32 - x), rng.uniform(1, 32 - y)
        boxes.append((x, y, x + w, y + h))
    strides, bins = (16, 32), 2  # sides reach 0.99 cells
    dataset = load(tmp_path, (32, 32), boxes)
    ceiling = ceiling_of(dataset, "yolo", strides=strides, bins=bins, image_hw=(32, 32))
    cells = [(8, 8, 16), (24, 8, 16), (8, 24, 16), (24, 24, 16), (16, 16, 32)]
    worth = [_worths(box, cells, reach=bins - 1.01) for box in dataset.boxes.tolist()]
    best = (0, 0.0)
    for way in itertools.permutations([*range(len(cells)), *[-1] * len(boxes)], len(boxes)):
        if all(cell < 0 or cell in worth[box] for box, cell in enumerate(way)):
            reached = [worth[box][cell] for box, cell in enumerate(way) if cell >= 0]
            best = max(best, (len(reached), sum(reached)))
    assert (ceiling.overlaps > 0).sum() == best[0]
    assert ceiling.overlaps.sum() == pytest.approx(best[1], abs=1e-4)


def _worths(box: list[float], cells: list[tuple[int, int, int]], reach: float) -> dict[int, float]:
    """Cell -> IoU of what it predicts, for the cells that may serve the box."""
    x1, y1, x2, y2 = box
    inside = [n for n, (x, y, _) in enumerate(cells) if x1 < x < x2 and y1 < y < y2]
    if not inside:
        middle = (x1 + x2) / 2, (y1 + y2) / 2
        gaps = [(x - middle[0]) ** 2 + (y - middle[1]) ** 2 for x, y, _ in cells]
        inside = [min(range(4), key=lambda n: gaps[n]), 4]
    worths = {}
    for n in inside:
        x, y, stride = cells[n]
        sides = [
            min(max(side / stride, 0), reach) * stride for side in (x - x1, y - y1, x2 - x, y2 - y)
        ]
        predicted = [x - sides[0], y - sides[1], x + sides[2], y + sides[3]]
        width = max(0, min(predicted[2], x2) - max(predicted[0], x1))
        height = max(0, min(predicted[3], y2) - max(predicted[1], y1))
        area = (predicted[2] - predicted[0]) * (predicted[3] - predicted[1])
        worths[n] = width * height / ((x2 - x1) * (y2 - y1) + area - width * height)
    return worths


@pytest.mark.parametrize("name", ["aquarium", "bccd", "coco128"])
def test_real_sets(real_root: Path, name: str) -> None:
    split = locate_splits(real_root / "data" / name)["val"]
    dataset = CocoDataset.load(split, max_bad_boxes=1.0)
    ceiling = ceiling_of(dataset, "yolo", strides=(8, 16, 32), bins=16, image_hw=(320, 320))
    blamed = sum(getattr(ceiling, cause).astype(int) for cause in CAUSES)
    costly = (ceiling.overlaps < 0.95) & ~dataset.crowd
    assert np.array_equal(blamed == 1, costly) and blamed.max(initial=0) <= 1
    assert ceiling.overlaps.max() <= 1 + 1e-6
    grid = grid_ceiling(dataset, grid_size=7, image_hw=(320, 320))
    paper = ceiling_of(dataset, "yolov1", grid_size=7, image_hw=(320, 320))
    assert np.array_equal(paper.overlaps == 1, grid.kept)
    assert (ceiling.overlaps >= 0.95).sum() > grid.kept.sum()
    finer = ceiling_of(dataset, "yolo", strides=(4, 8, 16, 32), bins=16, image_hw=(320, 320))
    assert finer.overlaps.sum() >= ceiling.overlaps.sum()
