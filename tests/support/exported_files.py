"""Exported models built by hand, so that what a reader must answer is plain arithmetic.

The network divides its input into cells of 16 px: each cell is a box, and its class scores are its
mean red, green and blue. Written with ``onnx.helper`` and none of the exporter's code.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from yolokit.config import ModelConfig
from yolokit.models.card import ModelCard
from yolokit.types import DecodedArrays

HW = (64, 96)
CELL = 16  # px
NAMES = ["red", "green", "blue"]
CATEGORY_IDS = [3, 90, 17]
NMS = {"iou_threshold": 0.5, "score_threshold": 0.25, "max_detections": 6}
Edit = Callable[[onnx.ModelProto], None]


def make_card(**export: Any) -> ModelCard:
    """The card of such a file; ``export`` in its export section."""
    tree = {"head": {"type": "yolov1"}, "backbone": {"name": "squeezenet1_1", "weights": "none"}}
    return ModelCard.model_validate(
        {
            "model": ModelConfig.model_validate(tree),
            "class_names": NAMES,
            "category_ids": CATEGORY_IDS,
            "image_hw": HW,
            "mean": (0.5, 0.5, 0.5),
            "std": (0.2, 0.2, 0.2),
            "export": {"format": "onnx", **export},
        }
    )


def cell_boxes(image_hw: tuple[int, int] = HW) -> NDArray[np.float32]:
    """[N, 4] xyxy input pixels, row by row."""
    rows, columns = (side // CELL for side in image_hw)
    y, x = np.divmod(np.arange(rows * columns), columns)
    return (np.stack([x, y, x + 1, y + 1], axis=1) * CELL).astype(np.float32)


def by_hand(images: NDArray[np.uint8]) -> DecodedArrays:
    """What the network answers: boxes [B, N, 4], scores [B, N, 3]."""
    count, height, width, _ = images.shape
    cells = images.reshape(count, height // CELL, CELL, width // CELL, CELL, 3)
    scores = cells.mean(axis=(2, 4)).reshape(count, -1, 3) / 255
    boxes = np.broadcast_to(cell_boxes((height, width)), (count, scores.shape[1], 4))
    return DecodedArrays(boxes, scores.astype(np.float32))


def write_onnx(
    path: Path, card: ModelCard | str | None = None, *, edit: Edit | None = None
) -> Path:
    """Write such a model.

    Args:
        path: where to.
        card: text of the metadata's ``yolokit``, or a card; None: one that fits.
        edit: changes the graph before it is written.
    """
    card = make_card() if card is None else card
    dynamic = isinstance(card, ModelCard) and card.export is not None and card.export.dynamic
    nms = isinstance(card, ModelCard) and card.export is not None and card.export.nms is not None
    model = _suppressed() if nms else _cells("pictures" if dynamic else 1)
    if edit is not None:
        edit(model)
    if card:
        text = card.model_dump_json() if isinstance(card, ModelCard) else card
        helper.set_model_props(model, {"yolokit": text})
    path.write_bytes(model.SerializeToString())
    return path


def write_openvino(
    folder: Path, card: ModelCard | str | None = None, *, edit: Edit | None = None
) -> Path:
    """The same as ``model.xml`` and ``model.bin`` in a folder; the card says ``openvino``."""
    import openvino

    card = make_card(format="openvino") if card is None else card
    folder.mkdir(parents=True)
    source = write_onnx(folder / "source.onnx", card or None, edit=edit)
    model = openvino.Core().read_model(source)
    source.unlink()
    if card:
        text = card.model_dump_json() if isinstance(card, ModelCard) else card
        model.set_rt_info(text, "yolokit")
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
    return folder


def constant(value: Any, name: str) -> onnx.TensorProto:
    """An initializer."""
    return numpy_helper.from_array(np.asarray(value), name)


def _cells(pictures: int | str) -> onnx.ModelProto:
    boxes = cell_boxes()
    count = len(boxes)
    nodes = [
        *_scores("scores", count),
        helper.make_node("Shape", ["images"], ["pictures"], start=0, end=1),
        helper.make_node("Concat", ["pictures", "count_and_4"], ["boxes_shape"], axis=0),
        helper.make_node("Expand", ["cells", "boxes_shape"], ["boxes"]),
    ]
    outputs = {"boxes": [pictures, count, 4], "scores": [pictures, count, 3]}
    constants = [constant([count, 4], "count_and_4"), constant(boxes[None], "cells")]
    return _model(nodes, pictures, outputs, constants)


def _scores(name: str, count: int) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["numbers"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["planes"], ["means"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]
        ),
        helper.make_node("Reshape", ["means", "flat"], ["by_class"]),
        helper.make_node("Transpose", ["by_class"], ["by_cell"], perm=[0, 2, 1]),
        helper.make_node("Div", ["by_cell", "white"], [name]),
    ]


def _suppressed() -> onnx.ModelProto:
    """Cells do not overlap, so that suppression is the best six (cell, class) above a threshold."""
    count = len(cell_boxes())
    nodes = [
        *_scores("all", count),
        helper.make_node("Reshape", ["all", "one_row"], ["pairs"]),
        helper.make_node("TopK", ["pairs", "rows"], ["best", "places"], axis=1),
        helper.make_node("Greater", ["best", "threshold"], ["found"]),
        helper.make_node("Where", ["found", "best", "zero"], ["scores"]),
        helper.make_node("Mod", ["places", "classes"], ["kinds"]),
        helper.make_node("Where", ["found", "kinds", "unused"], ["labels"]),
        helper.make_node("Div", ["places", "classes"], ["numbers_of_cells"]),
        helper.make_node("Gather", ["cells", "numbers_of_cells"], ["boxes"], axis=0),
    ]
    rows = NMS["max_detections"]
    constants = [
        constant([1, -1], "one_row"),
        constant([rows], "rows"),
        constant(np.float32(NMS["score_threshold"]), "threshold"),
        constant(np.float32(0), "zero"),
        constant(np.int64(3), "classes"),
        constant(np.int64(-1), "unused"),
        constant(cell_boxes(), "cells"),
    ]
    return _model(
        nodes, 1, {"boxes": [1, rows, 4], "scores": [1, rows], "labels": [1, rows]}, constants
    )


def _model(
    nodes: list[onnx.NodeProto],
    pictures: int | str,
    outputs: dict[str, list[Any]],
    constants: list[onnx.TensorProto],
) -> onnx.ModelProto:
    kinds = {"labels": TensorProto.INT64}
    graph = helper.make_graph(
        nodes,
        "cells",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, [pictures, *HW, 3])],
        [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), shape)
            for name, shape in outputs.items()
        ],
        [
            *constants,
            constant([0, 3, len(cell_boxes())], "flat"),
            constant(np.float32(255), "white"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model
