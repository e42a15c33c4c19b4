from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yolokit.ceiling.grid import grid_ceiling
from yolokit.data.coco import CocoDataset
from yolokit.sections import SplitConfig


def load(folder: Path, sizes_hw: list[tuple[int, int]], rows: list[dict[str, Any]]) -> CocoDataset:
    """A data set of pictures 1, 2, … with annotations numbered from 1."""
    tree = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "height": h, "width": w}
            for i, (h, w) in enumerate(sizes_hw, start=1)
        ],
        "categories": [{"id": 7, "name": "cell"}],
        "annotations": [
            {"id": number, "category_id": 7, "iscrowd": 0, **row}
            for number, row in enumerate(rows, start=1)
        ],
    }
    (folder / "truth.json").write_text(json.dumps(tree))
    return CocoDataset.load(SplitConfig(images=folder, annotations=folder / "truth.json"))


def at(x: float, y: float, image_id: int = 1, **more: Any) -> dict[str, Any]:
    """An annotation of 4 x 4 px centred at x, y."""
    return {"image_id": image_id, "bbox": [x - 2, y - 2, 4, 4], **more}


def test_first_in_file_order_owns_the_cell(tmp_path: Path) -> None:
    # 100 x 100 px, 2 x 2 cells of 50 px: the second shares the first's cell, the third has its own.
    dataset = load(tmp_path, [(100, 100)], [at(40, 40), at(10, 10), at(60, 10)])
    ceiling = grid_ceiling(dataset, grid_size=2, image_hw=(100, 100))
    assert ceiling.kept.tolist() == [True, False, True]
    assert (ceiling.truths, ceiling.recall) == (3, pytest.approx(2 / 3))


def test_cells_are_those_of_the_letterboxed_input(tmp_path: Path) -> None:
    # 200 wide, 100 high in 100 x 100: scale 0.5, 25 px of padding above. Centres (40, 20) and
    # (40, 60) lie at (20, 35) and (20, 55): one column of 2 x 2 cells, rows 0 and 1. On the
    # picture itself, cut into 2 x 2, they would be rows 0 and 1 too; (40, 45) at y 47.5 tells.
    dataset = load(tmp_path, [(100, 200)], [at(40, 20), at(40, 60), at(40, 45), at(40, 51)])
    ceiling = grid_ceiling(dataset, grid_size=2, image_hw=(100, 100))
    assert ceiling.kept.tolist() == [True, True, False, False]


def test_crowds_neither_own_a_cell_nor_count(tmp_path: Path) -> None:
    dataset = load(tmp_path, [(100, 100)], [at(10, 10, iscrowd=1), at(20, 20)])
    ceiling = grid_ceiling(dataset, grid_size=2, image_hw=(100, 100))
    assert ceiling.kept.tolist() == [False, True]
    assert ceiling.recall == 1.0


def test_no_boxes(tmp_path: Path) -> None:
    ceiling = grid_ceiling(load(tmp_path, [(9, 9)], []), grid_size=7, image_hw=(64, 64))
    assert ceiling.kept.shape == (0,) and ceiling.truths == 0 and np.isnan(ceiling.recall)


@pytest.mark.parametrize(
    ("grid_size", "image_hw"), [(1, (64, 64)), (7, (448, 448)), (5, (96, 160))]
)
def test_agrees_with_a_loop(tmp_path: Path, grid_size: int, image_hw: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    sizes = [(int(h), int(w)) for h, w in rng.integers(50, 300, (6, 2))]
    rows = []
    for _ in range(120):
        image_id = int(rng.integers(1, 7))
        height, width = sizes[image_id - 1]
        x, y = rng.uniform(3, width - 3), rng.uniform(3, height - 3)
        rows.append(at(x, y, image_id, iscrowd=int(rng.random() < 0.1)))
    dataset = load(tmp_path, sizes, rows)
    owners: dict[tuple[int, int, int], int] = {}
    for number, row in enumerate(rows, start=1):
        height, width = sizes[row["image_id"] - 1]
        scale = min(image_hw[0] / height, image_hw[1] / width)
        new_h, new_w = round(height * scale), round(width * scale)
        x, y = row["bbox"][0] + 2, row["bbox"][1] + 2
        x_input = x * new_w / width + (image_hw[1] - new_w) // 2
        y_input = y * new_h / height + (image_hw[0] - new_h) // 2
        cell = int(y_input * grid_size / image_hw[0]), int(x_input * grid_size / image_hw[1])
        if not row["iscrowd"]:
            owners.setdefault((row["image_id"], *cell), number)
    ceiling = grid_ceiling(dataset, grid_size=grid_size, image_hw=image_hw)
    kept = dataset.tree.annotation_ids[dataset.annotation_rows[ceiling.kept]]
    assert set(kept.tolist()) == set(owners.values())
    assert 6 <= len(owners) < ceiling.truths
