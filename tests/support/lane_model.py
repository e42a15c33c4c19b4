"""An exported model that finds rectangles exactly, and films of rectangles whose truth is known.

The picture is divided into lanes of 16 rows. In each lane, of each colour, the box is from the
first to the last column that is brighter than 25, and its score the brightest pixel's share of 255:
at most one object of each colour in a lane. Written with ``onnx.helper`` and none of the exporter's
code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from exported_files import HW, NAMES, make_card
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

LANE = 16  # px
TOP, BOTTOM = 2, 14  # rows of an object in its lane
LANES = HW[0] // LANE
FLOOR = 25.0  # grey levels; darker is no object


@dataclass(frozen=True)
class Mover:
    """A rectangle in a lane: of a colour, from column to column, frame by frame.

    Args:
        lane: 0..3.
        label: 0..2, red, green, blue.
        left: its first column in each frame; None where it is hidden.
        width: px.
        score: 0..1, its brightness; or one for each frame.
    """

    lane: int
    label: int
    left: Sequence[int | None]
    width: int = 12
    score: float | Sequence[float] = 0.8

    def box(self, frame: int) -> tuple[int, int, int, int] | None:
        """xyxy px; None where it is not there."""
        left = self.left[frame] if frame < len(self.left) else None
        if left is None:
            return None
        top = self.lane * LANE
        return left, top + TOP, left + self.width, top + BOTTOM

    def brightness(self, frame: int) -> int:
        """Of its pixels."""
        score = self.score if isinstance(self.score, float) else self.score[frame]
        return round(score * 255)


def draw_frame(movers: Sequence[Mover], frame: int) -> NDArray[np.uint8]:
    """[H, W, 3] uint8 RGB."""
    image = np.zeros((*HW, 3), np.uint8)
    for mover in movers:
        if (box := mover.box(frame)) is not None:
            x1, y1, x2, y2 = box
            image[y1:y2, max(0, x1) : max(0, x2), mover.label] = mover.brightness(frame)
    return image


def write_frames(folder: Path, movers: Sequence[Mover], frames: int) -> Path:
    """A folder of pictures without loss, whose names are in order only by number."""
    folder.mkdir(parents=True)
    for frame in range(frames):
        Image.fromarray(draw_frame(movers, frame)).save(folder / f"f{frame}.png")
    return folder


def write_lane_model(path: Path) -> Path:
    """The model as an .onnx file."""
    boxes = LANES * 3
    rows = np.array([[lane * LANE + TOP, lane * LANE + BOTTOM] for lane in range(LANES)])
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["numbers", "lanes"], ["by_lane"]),
        helper.make_node("ReduceMax", ["by_lane"], ["columns"], axes=[1], keepdims=0),
        helper.make_node("Transpose", ["columns"], ["by_colour"], perm=[0, 2, 1]),
        helper.make_node("Reshape", ["by_colour", "rows_of_boxes"], ["bright"]),  # [12, W]
        helper.make_node("Greater", ["bright", "floor"], ["is_there"]),
        helper.make_node("Cast", ["is_there"], ["there"], to=TensorProto.INT32),
        helper.make_node("ArgMax", ["there"], ["first"], axis=1, keepdims=1),
        helper.make_node("ArgMax", ["there"], ["last"], axis=1, keepdims=1, select_last_index=1),
        helper.make_node("Add", ["last", "one"], ["end"]),
        helper.make_node("Concat", ["first", "top", "end", "bottom"], ["corners"], axis=1),
        helper.make_node("Cast", ["corners"], ["corner_numbers"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["corner_numbers", "as_boxes"], ["boxes"]),
        helper.make_node("ReduceMax", ["bright"], ["best"], axes=[1], keepdims=1),
        helper.make_node("Div", ["best", "white"], ["share"]),
        helper.make_node("Mul", ["share", "own_colour"], ["by_class"]),
        helper.make_node("Reshape", ["by_class", "as_scores"], ["scores"]),
    ]
    constants = {
        "lanes": np.array([LANES, LANE, HW[1], 3]),
        "rows_of_boxes": np.array([boxes, HW[1]]),
        "floor": np.float32(FLOOR),
        "one": np.int64(1),
        "top": np.repeat(rows[:, :1], 3, axis=0),
        "bottom": np.repeat(rows[:, 1:], 3, axis=0),
        "as_boxes": np.array([1, boxes, 4]),
        "white": np.float32(255),
        "own_colour": np.tile(np.eye(3, dtype=np.float32), (LANES, 1)),
        "as_scores": np.array([1, boxes, 3]),
    }
    graph = helper.make_graph(
        nodes,
        "lanes",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, [1, *HW, 3])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, boxes, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, boxes, 3]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    helper.set_model_props(model, {"yolokit": make_card().model_dump_json()})
    path.write_bytes(model.SerializeToString())
    return path


__all__ = ["HW", "LANE", "NAMES", "Mover", "draw_frame", "write_frames", "write_lane_model"]
