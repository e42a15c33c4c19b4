"""Detect objects in pictures with a trained model: the Python way in."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from yolokit.data.images import decode_image, read_image
from yolokit.data.prepare import prepare_image
from yolokit.errors import ConfigError
from yolokit.inference.postprocess import select_detections
from yolokit.inference.result import Result
from yolokit.models.detector import Detector
from yolokit.models.model_file import ModelCard, load_model
from yolokit.types import Detections

Source = str | Path | NDArray[np.uint8] | Image.Image

_DEEP_MODES = ("I", "F")  # 16 and 32 bits a sample
_BATCH = 8  # pictures a step: enough to fill two cores, little to wait for


class Predictor:
    """A trained detector and all that is needed to use it.

    Args:
        detector: put into evaluation mode.
        card: class names, input size and thresholds.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ``mps``, ``cuda:1``, …
    """

    def __init__(
        self, detector: Detector, card: ModelCard, *, device: str | torch.device = "cpu"
    ) -> None:
        self.detector = detector.eval()
        self.card = card
        self.to(device)

    @classmethod
    def load(cls, path: str | Path, *, device: str | torch.device = "auto") -> Predictor:
        """Read a model file, or the one in a run folder.

        Raises:
            WeightsError: missing, damaged, or no model of yolokit's.
        """
        detector, card = load_model(Path(path))
        return cls(detector, card, device=device)

    @property
    def class_names(self) -> list[str]:
        """The name of label 0..C-1."""
        return list(self.card.class_names)

    @property
    def category_ids(self) -> list[int]:
        """The training data's category id of label 0..C-1."""
        return list(self.card.category_ids)

    @property
    def image_hw(self) -> tuple[int, int]:
        """The network input's (height, width) in pixels."""
        return self.card.image_hw

    def to(self, device: str | torch.device) -> Predictor:
        """Move to a device; returns itself."""
        self.device = _resolve(device)
        self.detector.to(self.device)
        return self

    def predict(
        self,
        sources: Source | Iterable[Source],
        *,
        conf: float = 0.25,
        iou: float | None = None,
        max_detections: int | None = None,
        batch_size: int = _BATCH,
    ) -> list[Result]:
        """Detect on picture files, arrays and PIL images.

        Args:
            sources: one or many: a path, an array [H, W, 3] uint8 RGB, or a PIL image.
            conf: report what scores more than this, 0..1.
            iou: of two boxes of a class that overlap by more, the lower falls; None takes the
                model's own.
            max_detections: per picture; None takes the model's own.
            batch_size: pictures a step, at least 1.

        Returns:
            One result per source, in order.

        Raises:
            ImageError: a picture that cannot be read; the message names it.
            ValueError: an array of another shape or type.
        """
        listed = _as_list(sources)
        results = []
        for start in range(0, len(listed), batch_size):
            chunk = listed[start : start + batch_size]
            images = [_read(source) for source in chunk]
            found = self.predict_images(images, conf=conf, iou=iou, max_detections=max_detections)
            for source, image, detections in zip(chunk, images, found, strict=True):
                name = str(source) if isinstance(source, str | Path) else None
                results.append(Result(image, detections, self.class_names, self.category_ids, name))
        return results

    def predict_images(
        self,
        images: Sequence[NDArray[np.uint8]],
        *,
        conf: float = 0.25,
        iou: float | None = None,
        max_detections: int | None = None,
    ) -> list[Detections]:
        """Detect on pictures in memory, all in one step.

        Args:
            images: each [H, W, 3] uint8 RGB, sizes may differ.
            conf: as for ``predict``; so are ``iou`` and ``max_detections``.

        Returns:
            One ``Detections`` per picture; an empty list for none.
        """
        if not images:
            return []
        prepared, letterboxes = zip(*(prepare_image(i, self.image_hw) for i in images), strict=True)
        batch = torch.from_numpy(np.stack(prepared)).permute(0, 3, 1, 2)  # lies channels-last
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            decoded = self.detector.decode(self.detector(batch.to(self.device)))
        defaults = self.card.predict
        return select_detections(
            decoded,
            letterboxes,
            score_threshold=conf,
            iou_threshold=defaults.iou_threshold if iou is None else iou,
            max_detections=defaults.max_detections if max_detections is None else max_detections,
        )


def load(path: str | Path, *, device: str | torch.device = "auto") -> Predictor:
    """Read a model file, or the one in a run folder, ready to predict; see ``Predictor``."""
    return Predictor.load(path, device=device)


def _as_list(sources: Any) -> list[Any]:
    single = isinstance(sources, str | Path | np.ndarray | Image.Image)
    return [sources] if single else list(sources)


def _read(source: Any) -> NDArray[np.uint8]:
    if isinstance(source, str | Path):
        return read_image(source)
    if isinstance(source, Image.Image):
        return _from_pil(source)
    if (
        not isinstance(source, np.ndarray)
        or source.dtype != np.uint8
        or source.ndim != 3
        or source.shape[2] != 3
        or source.size == 0
    ):
        got = (
            f"{source.dtype} {list(source.shape)}"
            if isinstance(source, np.ndarray)
            else type(source).__name__
        )
        raise ValueError(f"expected a path, a PIL image or a uint8 RGB array [H, W, 3], got {got}")
    return source


def _from_pil(image: Image.Image) -> NDArray[np.uint8]:
    """Upright 8-bit RGB, by the rules for files: deep samples pass through their decoder."""
    upright = ImageOps.exif_transpose(image)
    if not upright.mode.startswith(_DEEP_MODES):
        return np.array(upright.convert("RGB"), dtype=np.uint8)
    stored = io.BytesIO()
    upright.save(stored, format="TIFF")  # lossless
    return decode_image(stored.getvalue(), name=f"a PIL image of mode {image.mode}")


def _resolve(device: str | torch.device) -> torch.device:
    if device != "auto":
        return _present(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _present(device: str | torch.device) -> torch.device:
    """The device of a name.

    Raises:
        ConfigError: no such device, or none of it here.
    """
    try:
        named = torch.device(device)
        torch.empty(0, device=named)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"no device {str(device)!r} here. Use cpu or auto") from error
    return named
