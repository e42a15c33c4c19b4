"""What the backends of exported models share: what such a file promises, and whether it keeps it.

An exported file may come from a stranger. Its card and its graph must agree before it is run, and
what it answers is checked before it is used.

Shape legend: B pictures, N boxes of one picture, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from yolokit.errors import ConfigError, WeightsError
from yolokit.inference.backend import Card
from yolokit.models.card import ModelCard, printable, read_card
from yolokit.models.export_record import ExportFormat, ExportRecord
from yolokit.types import DecodedArrays

INPUT = "images"
ComputePrecision: TypeAlias = Literal["auto", "f32", "bf16"]
Answer: TypeAlias = Mapping[str, NDArray[Any]]
_Shape: TypeAlias = tuple[int | None, ...]  # None: any size

_MOST_SCORES = 2**26  # of one picture, spread over all classes: 256 MB
_AGAIN = "Export the model again with yolokit export"


class Port(NamedTuple):
    """An input or output as a graph declares it.

    Args:
        name: its name.
        dtype: NumPy's name of its numbers.
        shape: None where a dimension is open; None where even their number is.
    """

    name: str
    dtype: str
    shape: _Shape | None


class _Kind(NamedTuple):
    """What an input or output must be."""

    dtype: str
    shape: _Shape


def export_card(text: str | None, where: str, kind: ExportFormat) -> tuple[ModelCard, ExportRecord]:
    """The card of an exported file, and its section of the export.

    Args:
        text: the card as JSON; None where the file has none.
        where: the file, for errors.
        kind: what the file is.

    Raises:
        WeightsError: no card, or not that of such a file.
    """
    if text is None:
        raise WeightsError(f"{where} was not written by yolokit: it holds no card. {_AGAIN}")
    card = read_card(text, where)
    if card.export is None or card.export.format != kind:
        other = "a training's model" if card.export is None else f"an {card.export.format} file"
        raise WeightsError(f"the card in {where} is that of {other}. {_AGAIN}")
    return card, card.export


def require_precision(precision: ComputePrecision, record: ExportRecord, where: str) -> None:
    """Refuse to promise what a file cannot be computed in.

    Raises:
        ConfigError: 32 bits of a file that computes in fewer by itself, or bfloat16 of ONNX's.
    """
    half = record.format == "onnx" and record.precision == "f16"  # OpenVINO: only kept in 16 bits
    if precision == "f32" and (record.precision == "int8" or half):
        raise ConfigError(
            f"{where} was exported to compute in {record.precision}, which precision f32 cannot "
            "undo. Leave it out, or export the model in f32"
        )
    if precision == "bf16" and record.format == "onnx":
        raise ConfigError(
            f"ONNX Runtime does not compute {where} in bf16. Leave the precision out, or export "
            "the model for OpenVINO"
        )


def least_score(card: Card) -> float | None:
    """What scores no more a model cannot give: it was suppressed inside; None: it gives all."""
    nms = card.export.nms if card.export else None
    return None if nms is None else nms.score_threshold


def require_within_nms(
    card: Card,
    *,
    conf: float | None = None,
    iou: float | None = None,
    max_detections: int | None = None,
) -> None:
    """Refuse what a graph that suppresses by itself can no longer give.

    Args:
        card: of any model; one without suppression inside gives everything.
        conf, iou, max_detections: what is asked of it; None asks for nothing.

    Raises:
        ConfigError: another overlap, lower scores or more boxes than are suppressed inside.
    """
    nms = card.export.nms if card.export else None
    if nms is None:
        return
    if iou is not None and iou != nms.iou_threshold:
        what = f"iou {iou:g}: boxes were suppressed at {nms.iou_threshold:g}"
    elif conf is not None and conf < nms.score_threshold:
        what = f"conf {conf:g}: what scores no more than {nms.score_threshold:g} was dropped"
    elif max_detections is not None and max_detections > nms.max_detections:
        what = f"{max_detections} boxes: no more than {nms.max_detections} were kept"
    else:
        return
    raise ConfigError(
        f"the model has NMS inside and cannot give {what}. Leave the option out, or export the "
        "model without --nms"
    )


class ExportedNetwork:
    """A graph and its card that agree: hands it pictures in parts, and checks what it answers.

    Args:
        card: of the file.
        record: its section of the export.
        inputs, outputs: what the graph declares.
        where: the file, for errors.

    Raises:
        WeightsError: the graph is not what the card says.
    """

    def __init__(
        self,
        card: ModelCard,
        record: ExportRecord,
        inputs: Sequence[Port],
        outputs: Sequence[Port],
        where: str,
    ) -> None:
        self.card, self.record, self.where = card, record, where
        if record.nms and record.nms.max_detections * len(card.class_names) > _MOST_SCORES:
            raise WeightsError(f"{where} has too many classes and boxes to be used. {_AGAIN}")
        pictures = None if record.dynamic else 1
        images = _Kind("uint8", (pictures, *card.image_hw, 3))
        self._require_names(inputs, {INPUT: images})
        if inputs[0] != (INPUT, *images):
            raise self._differs(inputs[0], images)
        wanted = self._outputs(pictures)
        self._require_names(outputs, wanted)
        for port in outputs:
            integers = port.dtype in ("int32", "int64") and wanted[port.name].dtype == "int64"
            same_kind = integers or port.dtype == wanted[port.name].dtype
            if not (same_kind and _fits(port.shape, wanted[port.name].shape)):
                raise self._differs(port, wanted[port.name])

    def detect(
        self,
        images: NDArray[np.uint8],
        run: Callable[[NDArray[np.uint8]], Answer],
        part: int,
        *,
        at_once: int = 1,
    ) -> DecodedArrays:
        """All boxes that the graph finds in some pictures.

        Args:
            images: [B, H, W, 3] uint8 RGB of the network's input size, B at least 1.
            run: from pictures to the graph's outputs by name.
            part: pictures a run, of a graph that takes several.
            at_once: runs at the same time, in threads of their own.

        Raises:
            WeightsError: its answer is not what it promised, or holds no numbers.
        """
        step = part if self.record.dynamic else 1
        parts = [images[first : first + step] for first in range(0, len(images), step)]
        if at_once > 1 and len(parts) > 1:
            with ThreadPoolExecutor(at_once) as threads:
                outputs = list(threads.map(run, map(np.ascontiguousarray, parts)))
        else:
            outputs = [run(np.ascontiguousarray(some)) for some in parts]
        pairs = zip(outputs, parts, strict=True)
        answers = [self._decoded(output, len(some)) for output, some in pairs]
        boxes, scores = (
            several[0] if len(several) == 1 else np.concatenate(several)
            for several in zip(*answers, strict=True)
        )
        return DecodedArrays(boxes, scores, self.record.one_to_one or self.record.nms is not None)

    def failed(self, error: Exception) -> WeightsError:
        """What to raise where a library cannot run the graph."""
        return WeightsError(f"{self.where} cannot be run: {printable(str(error))}. {_AGAIN}")

    def _outputs(self, pictures: int | None) -> dict[str, _Kind]:
        """What the graph gives for so many pictures."""
        if self.record.nms is None:
            scores = _Kind("float32", (pictures, None, len(self.card.class_names)))
            return {"boxes": _Kind("float32", (pictures, None, 4)), "scores": scores}
        rows = (pictures, self.record.nms.max_detections)
        return {
            "boxes": _Kind("float32", (*rows, 4)),
            "scores": _Kind("float32", rows),
            "labels": _Kind("int64", rows),
        }

    def _require_names(self, ports: Sequence[Port], wanted: Mapping[str, _Kind]) -> None:
        names = sorted(port.name for port in ports)
        if names != sorted(wanted):
            raise self._disagreement(f"it has {', '.join(names)}, not {', '.join(sorted(wanted))}")

    def _differs(self, port: Port, wanted: _Kind) -> WeightsError:
        given, expected = (f"{k.dtype} {_words(k.shape)}" for k in (port, wanted))
        return self._disagreement(f"{port.name} is {given}, not {expected}")

    def _disagreement(self, how: str) -> WeightsError:
        return WeightsError(f"{self.where} is not what its card says: {printable(how)}. {_AGAIN}")

    def _decoded(
        self, answer: Answer, pictures: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """boxes [B, N, 4] and scores [B, N, C] of an answer that is as promised."""
        for name, wanted in self._outputs(pictures).items():
            if not _fits(answer[name].shape, wanted.shape):
                raise self._differs(Port(name, str(answer[name].dtype), answer[name].shape), wanted)
        boxes, scores = answer["boxes"], answer["scores"]
        if boxes.shape[1] != scores.shape[1]:
            raise self._disagreement(f"{boxes.shape[1]} boxes have {scores.shape[1]} scores")
        if self.record.nms is not None:
            scores = self._spread(scores, answer["labels"])
        self._require_numbers(boxes, scores)
        return boxes, scores

    def _spread(self, scores: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float32]:
        """From one score [B, N] and its label to [B, N, C]; unused rows score 0 everywhere."""
        classes = len(self.card.class_names)
        if labels.size and not (labels.min() >= -1 and labels.max() < classes):
            raise self._disagreement(
                f"a label is {int(labels.min())} or {int(labels.max())}, of {classes} classes"
            )
        spread = np.zeros((*scores.shape, classes), dtype=np.float32)
        used = np.nonzero(labels >= 0)
        places = (*used, labels[used])
        spread[places] = scores[used]
        return spread

    def _require_numbers(self, boxes: NDArray[Any], scores: NDArray[Any]) -> None:
        finite = np.isfinite(boxes).all(-1) & np.isfinite(scores).all(-1)
        if finite.size and not finite.any():
            raise WeightsError(
                f"the outputs of {self.where} are not numbers (NaN or infinity), so nothing can be "
                "detected or scored. Export the model again, in f32 if it was not"
            )


def _fits(shape: _Shape | None, wanted: _Shape) -> bool:
    """Whether a shape is as wanted as far as it is known; None in ``wanted`` is any size."""
    if shape is None:
        return True
    return len(shape) == len(wanted) and all(
        None in (given, size) or given == size for given, size in zip(shape, wanted, strict=True)
    )


def _words(shape: _Shape | None) -> str:
    if shape is None:
        return "of any shape"
    return "[" + ", ".join("any" if size is None else str(size) for size in shape) + "]"
