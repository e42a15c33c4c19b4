"""Detect objects in pictures with a trained model: the Python way in.

Needs no torch but for a model of torch's: what runs the network is behind ``Backend``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from yolokit.data.prepare import prepare_image, together
from yolokit.data.read_ahead import decoding_threads
from yolokit.inference.arguments import check_counts, check_shares
from yolokit.inference.backend import Backend, Card, is_backend
from yolokit.inference.classes import Classes, labels_of
from yolokit.inference.exported import ComputePrecision, require_within_nms
from yolokit.inference.loading import load_backend, scoring_precision
from yolokit.inference.postprocess import require_numbers, select_detections
from yolokit.inference.result import Result
from yolokit.inference.sources import Source, is_many, listed, pixels_of, require_picture
from yolokit.inference.workers import Detect, Workers, detect_each, workers_of
from yolokit.models.hub_files import local_model
from yolokit.types import Detections

if TYPE_CHECKING:
    from yolokit.models.detector import Detector

BATCH = 8  # pictures a step: enough to fill two cores, little to wait for


class Predictor:
    """A trained detector and all that is needed to use it.

    Args:
        network: a backend, or a torch ``Detector``, which is put into evaluation mode.
        card: class names, input size and thresholds.
        device: of a ``Detector``: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ``mps``,
            ``cuda:1``, …
    """

    def __init__(self, network: Backend | Detector, card: Card, *, device: str = "cpu") -> None:
        self.backend = network if is_backend(network) else _torch(network, device)
        self.card = card

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: str = "auto",
        precision: ComputePrecision = "auto",
    ) -> Predictor:
        """Read a model of any kind.

        Args:
            path: a ``model.safetensors``, or the run folder that holds one; an exported ``.onnx``
                file; an OpenVINO folder, or the ``model.xml`` in it; ``torchvision:NAME``, or
                ``torchvision:NAME=FILE``, for a detector of torchvision's; ``hf:USER/NAME`` on
                the Hugging Face hub, see ``models/hub_name.py``.
            device: ``auto``: for weights a GPU where there is one, for exported files the CPU.
            precision: ``auto`` computes in fewer bits where that is faster, and known to be
                harmless for weights; ``f32`` in 32 bits, ``bf16`` in bfloat16 on a CPU.

        Raises:
            WeightsError: missing, damaged, or no model of yolokit's.
            ConfigError: no such device here, what runs it is not installed, or a file that was
                exported for fewer bits than ``precision``.
        """
        return cls(*load_backend(Path(path), device, precision))

    @classmethod
    def load_to_score(
        cls, path: str | Path, *, device: str = "auto", precision: ComputePrecision = "auto"
    ) -> Predictor:
        """As ``load``, but that ``auto`` computes weights in 32 bits, see ``scoring_precision``."""
        file = local_model(path)
        return cls.load(file, device=device, precision=scoring_precision(file, precision))

    @property
    def class_names(self) -> list[str]:
        """The name of label 0..C-1."""
        return list(self.card.class_names)

    @property
    def category_ids(self) -> list[int]:
        """The training data's category id of label 0..C-1."""
        return list(self.card.category_ids)

    @property
    def image_hw(self) -> tuple[int, int] | None:
        """The network input's (height, width) in pixels; None where it takes pictures as they
        are."""
        return self.card.image_hw

    @property
    def device(self) -> str:
        """Where the network computes: ``cpu``, ``cuda:0``, …"""
        return self.backend.device

    @property
    def workers(self) -> Workers | None:
        """Threads in which ``predict_images`` is best called; None: one, many pictures a call."""
        return workers_of(self.backend)

    def require_possible(
        self,
        *,
        conf: float | None = None,
        iou: float | None = None,
        max_detections: int | None = None,
    ) -> None:
        """Check what ``predict`` is going to be asked for.

        Raises:
            ConfigError: the model suppresses inside its graph, by other thresholds.
        """
        require_within_nms(self.card, conf=conf, iou=iou, max_detections=max_detections)

    def to(self, device: str) -> Predictor:
        """Move to a device; returns itself."""
        self.backend.to(device)
        return self

    @overload
    def predict(
        self,
        sources: Source | Sequence[Source],
        *,
        conf: float = ...,
        iou: float | None = ...,
        max_objects: int | None = ...,
        classes: Classes | None = ...,
        batch_size: int = ...,
    ) -> list[Result]: ...

    @overload
    def predict(
        self,
        sources: Source | Iterable[Source],
        *,
        conf: float = ...,
        iou: float | None = ...,
        max_objects: int | None = ...,
        classes: Classes | None = ...,
        batch_size: int = ...,
        stream: bool = ...,
    ) -> Iterable[Result]: ...

    def predict(
        self,
        sources: Source | Iterable[Source],
        *,
        conf: float = 0.25,
        iou: float | None = None,
        max_objects: int | None = None,
        classes: Classes | None = None,
        batch_size: int = BATCH,
        stream: bool = False,
    ) -> Iterable[Result]:
        """Detect on picture files, arrays and PIL images.

        Args:
            sources: one or many: a path, an array [H, W, 3] uint8 RGB, or a PIL image. What has
                no length, such as a generator or a camera, is read as results are asked for.
            conf: report what scores more than this, 0..1.
            iou: of two boxes of a class that overlap by more, the lower falls; None takes the
                model's own.
            max_objects: per picture, at least 1; None takes the model's own.
            classes: names or labels of the classes to report; others take no place among
                ``max_objects``. None reports all.
            batch_size: pictures a step, at least 1; of a list as many more are read ahead.
            stream: give results one by one, holding no more pictures than two steps'.

        Returns:
            One result per source, in order: a list, or an iterator for a stream and for sources
            without a length.

        Raises:
            ImageError: a picture that cannot be read; the message names it.
            WeightsError: the model's outputs are not numbers.
            ConfigError: the model knows no class of that name, or has NMS inside that cannot give
                what is asked for.
            ValueError: an argument out of range, or an array of another shape or type.
        """
        detect = self._asked(conf=conf, iou=iou, max_objects=max_objects, classes=classes)
        check_counts(batch_size=batch_size)
        results = self._results(listed(sources), detect, batch_size)
        endless = stream or (is_many(sources) and not hasattr(sources, "__len__"))
        return results if endless else list(results)

    def _asked(
        self,
        *,
        conf: float,
        iou: float | None,
        max_objects: int | None,
        classes: Classes | None,
    ) -> Detect:
        """``predict_images`` with what ``predict`` is asked for, which is checked at once."""
        check_shares(conf=conf, iou=iou)
        check_counts(max_objects=max_objects)
        self.require_possible(conf=conf, iou=iou, max_detections=max_objects)
        return partial(
            self.predict_images,
            conf=conf,
            iou=iou,
            max_detections=max_objects,
            classes=labels_of(classes, self.class_names),
        )

    def _results(
        self, sources: Iterable[Source], detect: Detect, batch_size: int
    ) -> Iterator[Result]:
        several = isinstance(sources, Sequence) and len(sources) > 1  # that wait anyway
        found = detect_each(
            sources,
            pixels_of,
            detect,
            batch_size=batch_size,
            workers=self.workers if several else None,
            threads=decoding_threads(self.device) if several else 0,
        )
        for source, pixels, detections in found:
            path = str(source) if isinstance(source, str | Path) else None
            yield Result(
                detections=detections,
                class_names=self.class_names,
                category_ids=self.category_ids,
                image_hw=(pixels.shape[0], pixels.shape[1]),
                source=path,
                pixels=pixels if path is None else None,
            )

    def predict_images(
        self,
        images: Sequence[NDArray[np.uint8]],
        *,
        conf: float = 0.25,
        iou: float | None = None,
        max_detections: int | None = None,
        classes: Classes | None = None,
    ) -> list[Detections]:
        """Detect on pictures in memory, all in one step.

        Args:
            images: each [H, W, 3] uint8 RGB, sizes may differ.
            conf: as for ``predict``; so are ``iou`` and ``classes``.
            max_detections: ``predict``'s ``max_objects``.

        Returns:
            One ``Detections`` per picture; an empty list for none.

        Raises:
            WeightsError, ConfigError, ValueError: as for ``predict``.
        """
        check_shares(conf=conf, iou=iou)
        check_counts(max_detections=max_detections)
        self.require_possible(conf=conf, iou=iou, max_detections=max_detections)
        if len(images) == 0:
            return []
        for image in images:
            require_picture(image)
        prepared, letterboxes = zip(*(prepare_image(i, self.image_hw) for i in images), strict=True)
        defaults = self.card.predict
        suppress_at = defaults.iou_threshold if iou is None else iou
        decoded = self.backend(together(prepared), score_threshold=conf, iou_threshold=suppress_at)
        return select_detections(
            require_numbers(decoded),
            letterboxes,
            score_threshold=conf,
            iou_threshold=suppress_at,
            max_detections=defaults.max_detections if max_detections is None else max_detections,
            labels=labels_of(classes, self.class_names),
        )


def load(
    path: str | Path, *, device: str = "auto", precision: ComputePrecision = "auto"
) -> Predictor:
    """Read a model of any kind, ready to predict; see ``Predictor.load``."""
    return Predictor.load(path, device=device, precision=precision)


def _torch(network: Backend | Detector, device: str) -> Backend:
    from yolokit.inference.torch_backend import TorchBackend
    from yolokit.models.detector import Detector

    if not isinstance(network, Detector):
        raise TypeError(f"network must be a backend or a Detector, got {type(network).__name__}")
    return TorchBackend(network.eval(), device)
