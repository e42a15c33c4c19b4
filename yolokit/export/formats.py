"""How each format is written: from a traced ONNX model and a card to a file or folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from yolokit.export import onnx_model
from yolokit.export.options import ExportOptions
from yolokit.models.card import ModelCard

# (card, path): writes a file (ONNX) or a new folder (OpenVINO) there
Writer: TypeAlias = Callable[[ModelCard, Path], None]


def writer_of(
    model: ModelProto, options: ExportOptions, calibration: Sequence[NDArray[np.uint8]]
) -> Writer:
    """What writes a traced model, with whatever card, in the format and precision that are wanted.

    Args:
        model: a detector's.
        options: of the export.
        calibration: pictures that ``int8`` takes its ranges from.
    """
    if options.format == "onnx":
        return lambda card, path: onnx_model.write(onnx_model.with_card(model, card), path)
    from yolokit.export import openvino_model

    converted = openvino_model.convert(model)
    if options.precision == "int8":
        from yolokit.export.quantise import quantise

        converted = quantise(converted, calibration)

    def write_openvino(card: ModelCard, folder: Path) -> None:
        folder.mkdir()
        openvino_model.write(converted, card, folder, half=options.precision == "f16")

    return write_openvino
