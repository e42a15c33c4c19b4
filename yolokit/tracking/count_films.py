"""Counts of several films, each for itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from yolokit.errors import ConfigError
from yolokit.tracking.counting import Counted, Counting
from yolokit.types import Detections
from yolokit.video.frames import Frame, Source


class CountEachFilm:
    """Adds counts to tracked detections; call it with each frame.

    Args:
        lines: as for ``Counting``; so are ``zones``.

    Raises:
        ConfigError: what is no line or zone.
    """

    def __init__(self, *, lines: Sequence[str], zones: Sequence[str]) -> None:
        self._begin: Callable[[], Counting] = lambda: Counting(lines=lines, zones=zones)
        self._counting = self._begin()
        self._source: Source | None = None

    def __call__(self, frame: Frame, detections: Detections) -> Counted:
        """The same boxes, with the counts up to this frame.

        Raises:
            ConfigError: a line or zone lies outside the picture.
        """
        if frame.source is not self._source:
            self._counting, self._source = self._begin(), frame.source
        found, image_hw = detections, (frame.image.shape[0], frame.image.shape[1])
        counts = self._counting.step(found, at_ms=frame.pts_ms, image_hw=image_hw)
        return Counted(found.boxes, found.scores, found.labels, found.track_ids, counts)


def require_fit(
    sizes: Mapping[Source, tuple[int, int]], *, lines: Sequence[str], zones: Sequence[str]
) -> None:
    """Refuse lines and zones that lie outside one of several films, before any is looked at.

    Args:
        sizes: (height, width) of each film, pixels.
        lines: as for ``Counting``; so are ``zones``.

    Raises:
        ConfigError: naming the film; or what is no line or zone.
    """
    counting = Counting(lines=lines, zones=zones)
    for film, image_hw in sizes.items():
        try:
            counting.require_fit(image_hw)
        except ConfigError as error:
            raise ConfigError(f"{film.name}: {error}") from error
