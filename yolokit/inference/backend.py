"""What runs a network, whatever it was exported to: pictures in, boxes and scores out, in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import getattr_static
from typing import Protocol, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from yolokit.models.export_record import ExportRecord
from yolokit.sections import PredictConfig
from yolokit.types import DecodedArrays

Images: TypeAlias = NDArray[np.uint8] | Sequence[NDArray[np.uint8]]


class Card(Protocol):
    """What must be known of a network to use it; ``ModelCard`` is one that says more."""

    @property
    def class_names(self) -> Sequence[str]:
        """The name of label 0..C-1."""

    @property
    def category_ids(self) -> Sequence[int]:
        """The training data's category id of label 0..C-1."""

    @property
    def image_hw(self) -> tuple[int, int] | None:
        """The input's (height, width) in pixels; None: pictures are taken as large as they are."""

    @property
    def predict(self) -> PredictConfig:
        """Its own thresholds, and the number of boxes a picture."""

    @property
    def export(self) -> ExportRecord | None:
        """How an exported file came about; None of any other network."""


class Backend(Protocol):
    """A network ready to detect. One file each; only ``loading.py`` knows which it is."""

    @property
    def device(self) -> str:
        """Where it computes: ``cpu``, ``cuda:0``, …"""

    @property
    def description(self) -> str:
        """Library, device and the precision it computes in, in a few words, for people."""

    def to(self, device: str) -> None:
        """Move there.

        Raises:
            ConfigError: no such device here, or none that this backend can use.
        """

    def __call__(
        self,
        images: Images,
        *,
        score_threshold: float = 0.0,
        iou_threshold: float | None = None,
    ) -> DecodedArrays:
        """All boxes of some pictures; suppressed only by a network that does it by itself.

        Args:
            images: B pictures [H, W, 3] uint8 RGB, at least one, of the network's input size, as
                an array or one by one; of any sizes where the network takes pictures as they are.
            score_threshold: 0..1. Boxes none of whose classes scores more may be left out, in
                whose place others of score 0 may stand; the order of the rest is kept.
            iou_threshold: 0..1, by which a network suppresses that does it by itself and can be
                told how; None is its own.

        Returns:
            boxes [B, N, 4] input pixels, scores [B, N, C]; ``one_to_one`` where nothing is left
            to suppress.
        """


class SideBySide(Backend, Protocol):
    """A backend that several threads may call at the same time."""

    @property
    def shares(self) -> Sequence[int]:
        """The processors of each thread that calls it beside others, so that they keep the machine
        busy together; fewer than two where one caller does that alone."""

    def begin_worker(self, processors: int) -> None:
        """Called first in each of several threads that are going to call it at the same time.

        Args:
            processors: that this thread's calls compute with, one of ``shares``.
        """


def is_backend(network: object) -> TypeGuard[Backend]:
    """Whether it has all that a backend has; no property is asked, for some take long to answer."""
    return _has(network, "device", "description", "to", "__call__")


def is_side_by_side(backend: Backend) -> TypeGuard[SideBySide]:
    """Whether several threads may call it at the same time."""
    return _has(backend, "shares", "begin_worker")


def _has(network: object, *names: str) -> bool:
    missing = object()
    return all(getattr_static(network, name, missing) is not missing for name in names)
