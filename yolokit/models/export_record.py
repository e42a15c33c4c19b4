"""What an exported file says about its export: a section of its card. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from yolokit.models.network_size import NetworkSize
from yolokit.sections import Count

ExportFormat: TypeAlias = Literal["onnx", "openvino"]
Precision: TypeAlias = Literal["f32", "f16", "int8"]
PictureSource: TypeAlias = Literal["train", "val", "test", "synthesis"]  # the last: made-up photos

ONNX_SUFFIX = ".onnx"
OPENVINO_MODEL = "model.xml"  # beside model.bin

_MOST_PARAMETERS = 10**12  # far beyond what a file can hold

_Share: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Difference: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# What may be printed: ASCII that no terminal obeys.
_Word: TypeAlias = Annotated[str, Field(max_length=100, pattern=r"^[ -~]*$")]
_Hash: TypeAlias = Annotated[str, Field(max_length=128, pattern=r"^[0-9a-f]*$")]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class NmsRecord(_Record):
    """What suppression inside an exported graph does.

    Args:
        iou_threshold: of two boxes of one class that overlap by more, the lower one falls.
        score_threshold: a box scores more than this, or is not among its outputs.
        max_detections: rows of its outputs, per picture.
    """

    iou_threshold: _Share
    score_threshold: _Share
    max_detections: Count


class ParityRecord(_Record):
    """How close an exported file comes to the model it was made from, box by box.

    Args:
        pictures: how many were compared, prepared alike for both.
        source: where they are from: a split of data, or made-up photos.
        boxes: pairs of boxes compared: those that score enough in either.
        score_difference: the largest of all pairs' scores.
        lowest_iou: of all pairs; None where no box scored enough.
    """

    pictures: Count
    source: PictureSource
    boxes: int = Field(ge=0)
    score_difference: _Difference
    lowest_iou: _Share | None


class ExportRecord(_Record):
    """How an exported file came about, and how well it keeps to the model it was made from.

    Args:
        format: what it is written in.
        precision: of its weights; ``f16`` and ``int8`` files compute some parts in ``f32``.
        dynamic: takes any number of pictures at once, not one only.
        nms: suppression inside the graph, or None where it gives all boxes.
        one_to_one: each object has one box, so that nothing needs to be suppressed.
        parity: comparison with the original, box by box, computed in ``f32``.
        ap_before: COCO AP of the original, 0..1; None where there were no labels.
        ap_after: COCO AP of this file on the same pictures.
        ap_split: of the data that both were measured on.
        parameters: of the original; None in files of versions that did not count.
        gflops: billions of operations a picture takes in the original, likewise.
        weights_fingerprint: hash of the original's weights.
        versions: of the libraries that wrote it, by name.
    """

    format: ExportFormat
    precision: Precision = "f32"
    dynamic: bool = False
    nms: NmsRecord | None = None
    one_to_one: bool = False
    parity: ParityRecord | None = None
    ap_before: _Share | None = None
    ap_after: _Share | None = None
    ap_split: PictureSource | None = None
    parameters: int | None = Field(default=None, ge=1, le=_MOST_PARAMETERS)
    gflops: _Difference | None = None
    weights_fingerprint: _Hash = ""
    versions: dict[_Word, _Word] = Field(default={}, max_length=20)

    @property
    def size(self) -> NetworkSize | None:
        """The original's; None where it is not known."""
        if self.parameters is None or self.gflops is None:
            return None
        return NetworkSize(self.parameters, self.gflops)


def exported_file(path: Path) -> tuple[ExportFormat, Path] | None:
    """What kind of exported file a path is, and the file to open; None for any other path.

    Args:
        path: a file, or the folder of an OpenVINO model; need not be there.
    """
    if path.is_dir():
        inside = path / OPENVINO_MODEL
        return ("openvino", inside) if inside.is_file() else None
    suffix = path.suffix.lower()
    if suffix == ONNX_SUFFIX:
        return "onnx", path
    if suffix == ".bin":
        path = path.with_suffix(".xml")
    return ("openvino", path) if suffix in (".xml", ".bin") else None
