"""From an ONNX model to OpenVINO's two files in one folder, with the card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import openvino
from onnx import ModelProto

from yolokit.models.card import CARD_KEY, ModelCard
from yolokit.models.export_record import OPENVINO_MODEL

if TYPE_CHECKING:
    from openvino import Model


def convert(model: ModelProto) -> Model:
    """The same graph as OpenVINO has it; its nodes keep their names."""
    return openvino.Core().read_model(model.SerializeToString(), b"")


def write(model: Model, card: ModelCard, folder: Path, *, half: bool) -> None:
    """Write ``model.xml`` and ``model.bin`` into a folder.

    Args:
        model: gets the card.
        card: written as JSON.
        folder: is there.
        half: keep weights in 16 bits; they are computed with as the processor likes.
    """
    model.set_rt_info(card.model_dump_json(), CARD_KEY)
    openvino.save_model(model, folder / OPENVINO_MODEL, compress_to_fp16=half)
