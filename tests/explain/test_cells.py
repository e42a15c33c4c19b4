"""Cells and losses that are shown are those of detecting and training, computed anew here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.support.stirred_models import HEADS, stirred_model
from yolokit.explain.before import truth_of
from yolokit.explain.cells import Cell, cells_answering, cells_found
from yolokit.explain.cells_sheet import answering_sheet, found_sheet, rectangle
from yolokit.explain.explainer import Explainer
from yolokit.explain.seen import Seen, look
from yolokit.heads.family import family_of
from yolokit.inference.predictor import Predictor
from yolokit.synthesis.dataset import synthesise
from yolokit.types import Truth

PICTURE = np.random.default_rng(5).integers(0, 256, (80, 100, 3), dtype=np.uint8)
BOXES = np.array([[10, 12, 60, 66], [55, 30, 90, 70], [2, 2, 30, 20]], dtype=np.float32)
LABELS = np.array([0, 2, 1])


def _look(head: str, conf: float = 0.05) -> tuple[Any, Any, Seen]:
    detector, card = stirred_model(head)
    return detector, card, look(detector, card, PICTURE, score_threshold=conf)


def _output_at(seen: Seen, cell: Cell) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
    output = seen.outputs[cell.level]
    confidences = output.confidences
    return (
        output.classes[0, cell.row, cell.col],
        None if confidences is None else confidences[0, cell.row, cell.col, cell.predictor],
        output.box_codes[0, cell.row, cell.col, cell.predictor],
    )


@pytest.mark.parametrize("head", HEADS)
def test_a_found_box_is_what_its_cell_says(head: str) -> None:
    """Box and score are decoded anew, by the formulas of the papers, from that cell's numbers."""
    detector, card, seen = _look(head)
    found = cells_found(seen)
    assert found.boxes
    for each in found.boxes:
        classes, confidence, codes = _output_at(seen, each.cell)
        high, wide = seen.outputs[each.cell.level].stride_hw
        if confidence is None:
            score = torch.sigmoid(classes[each.label])
            bins = torch.softmax(codes.view(4, -1), -1) @ torch.arange(16.0)  # expected distances
            x, y = (each.cell.col + 0.5) * wide, (each.cell.row + 0.5) * high
            signs = torch.tensor([-1.0, -1, 1, 1])
            box = torch.tensor([x, y, x, y]) + signs * bins * wide
        else:
            score = classes[each.label].clamp(0, 1) * confidence.clamp(0, 1)
            cx, cy = (codes[0] + each.cell.col) * wide, (codes[1] + each.cell.row) * high
            w, h = codes[2] ** 2 * 96, codes[3] ** 2 * 64  # of the input, 64 x 96
            box = torch.stack((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2))
        # back to the picture of 80 x 100, which lies scaled by 0.8 and 8 px from the left
        original = (box - torch.tensor([8.0, 0, 8, 0])) / 0.8
        original = original.clamp(min=0).minimum(torch.tensor([100.0, 80, 100, 80]))
        assert each.score == pytest.approx(score.item(), abs=1e-6)
        assert each.box == pytest.approx(original.tolist(), abs=1e-3)
    boxes = Predictor(detector, card).predict_images([PICTURE], conf=0.05)[0].boxes
    assert np.array([each.box for each in found.boxes]) == pytest.approx(boxes, abs=1e-3)


@pytest.mark.parametrize("head", HEADS)
def test_what_is_drawn_of_a_loss_sums_to_it(head: str) -> None:
    detector, card, seen = _look(head)
    answering = cells_answering(seen, BOXES, LABELS)
    inside = torch.from_numpy(BOXES * 0.8 + np.array([8, 0, 8, 0], dtype=np.float32))
    with torch.no_grad():
        outputs = detector(torch.from_numpy(seen.prepared).permute(2, 0, 1)[None])
        truth = Truth(inside, torch.from_numpy(LABELS))
        terms = family_of(card.model.head).criterion()(outputs, [truth])
    for name, term in terms.items():
        drawn = sum(cell.loss[name] for each in answering.truths for cell in each.cells)
        assert drawn + answering.of_no_truth[name] == pytest.approx(term.item(), rel=1e-4)
        assert answering.loss[name] == pytest.approx(term.item(), rel=1e-6)
    table = answering_sheet(seen, answering, card.class_names).tables[0]
    last = [float(value) for value in table.rows[-1][6:]]
    shown = np.array([[float(v or 0) for v in row[6:]] for row in table.rows[:-1]])
    assert shown.sum(0) == pytest.approx(last, abs=1e-4 * len(table.rows))


def test_one_cell_of_one_grid_answers_for_a_truth() -> None:
    """YOLOv1: the cell that holds its centre, of three by three over 64 x 96."""
    _, _, seen = _look("conv")
    answering = cells_answering(seen, BOXES, LABELS)
    for truth in answering.truths:
        (each,) = truth.cells
        x = (truth.box[0] + truth.box[2]) / 2 * 0.8 + 8
        y = (truth.box[1] + truth.box[3]) / 2 * 0.8
        assert (each.cell.row, each.cell.col) == (int(y // (64 / 3)), int(x // 32))
        assert each.wanted == pytest.approx(each.iou, abs=1e-6)
        x1, y1, x2, y2 = rectangle(answering.grids[0], each.cell)
        assert x1 <= x < x2 and y1 <= y < y2


def test_the_second_truth_of_a_cell_has_no_cell() -> None:
    _, card, seen = _look("conv")
    twice = cells_answering(seen, BOXES[[0, 0]], LABELS[:2])
    assert [len(truth.cells) for truth in twice.truths] == [1, 0]
    answering_sheet(seen, twice, card.class_names)


@pytest.mark.parametrize("head", ["conv", "yolo"])
def test_a_figure_shows_the_cells_where_they_are(head: str) -> None:
    """Where nothing is found, only the grid differs; a cell's colour covers its rectangle."""
    _, card, seen = _look(head)
    found = cells_found(seen)
    sheet = found_sheet(seen, found, card.class_names)
    empty = found_sheet(_look(head, conf=1.0)[2], cells_found(_look(head, 1.0)[2]), ["a"] * 3)
    assert len(sheet.figures) == len(seen.outputs) and not empty.numbers["boxes"]
    for level, grid in enumerate(found.grids):
        here = [each for each in found.boxes if each.cell.level == level]
        picture, bare = sheet.figures[level].picture, empty.figures[level].picture
        assert picture.shape == bare.shape
        changed = (picture != bare).any(-1)
        assert changed.any() == bool(here)
        for each in here:
            x1, y1, x2, y2 = rectangle(grid, each.cell)
            scale = picture.shape[0] / 64
            centre = round((y1 + y2) / 2 * scale), round(((x1 + x2) / 2 - 8) * scale)
            assert changed[centre[0], min(max(centre[1], 0), picture.shape[1] - 1)]
    assert sheet.picture().shape[1] >= 640


@pytest.mark.parametrize(
    ("head", "said"), [("yolo", "(NMS) has kept the best"), ("one_to_one", "nothing is suppressed")]
)
def test_what_became_of_rivals_is_said(head: str, said: str) -> None:
    _, card, seen = _look(head)
    assert found_sheet(seen, cells_found(seen), card.class_names).lead.endswith(f"{said}.")


def test_labels_of_a_picture_are_found_in_its_data(tmp_path: Any) -> None:
    synthesise(tmp_path / "set", images=(2, 2, 0), size_hw=(64, 96), classes=3, video=False)
    detector, card = stirred_model("yolo")
    picture = sorted((tmp_path / "set").rglob("*.jpg"))[0]
    truth = truth_of(picture, tmp_path / "set", card)
    sheet = Explainer(detector, card).cells(picture, data=tmp_path / "set")
    assert [each["label"] for each in sheet.numbers["truths"]] == truth.labels.tolist()
    sheet.save(tmp_path / "cells.html")
    page = (tmp_path / "cells.html").read_text()
    assert page.count("<img") == 2 and "Every answering cell" in page and "http:" not in page
