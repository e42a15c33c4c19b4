"""Films that are looked at one after the other while clients ask how far they are."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from yolokit.data.prepare import prepare_image
from yolokit.errors import YolokitError
from yolokit.plain_text import tamed
from yolokit.serving.bodies import Arriving
from yolokit.serving.limits import Limits
from yolokit.serving.network import NetworkThread, Wanted
from yolokit.serving.refusal import RefusedError, busy, too_large
from yolokit.types import Detections
from yolokit.video.containers import CONTAINERS, HEAD_BYTES, frame_hw, is_film
from yolokit.video.detect import Outputs, detect
from yolokit.video.frames import Frame, Kind, Source
from yolokit.video.video_file import VideoFormat

State: TypeAlias = Literal["waiting", "running", "done", "failed", "stopped"]
_PREFIX = "yolokit-serve-"
_JOIN_SECONDS = 10.0  # for the file of a film that is stopped to be closed
_GONE = "there is no such film, or its results were taken away. Send it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a film is; see ``FilmOut``."""

    state: State = "waiting"
    frames: int = 0
    total: int | None = None
    message: str | None = None
    objects: Counter[int] = field(default_factory=Counter)
    video: Path | None = None
    detections: Path | None = None
    ended_at: float | None = None


@dataclass(slots=True, eq=False)
class Film:
    """One film: its files are in a folder of its own."""

    id: str
    folder: Path
    name: str = "film"
    video: VideoFormat | None = "webm"
    wanted: Wanted | None = None
    progress: Progress = field(default_factory=Progress)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def file(self) -> Path:
        """What was sent."""
        return self.folder / "sent"


class Films:
    """Takes films, looks at them one by one, and keeps what was found for a while.

    Args:
        network: looks at the frames, one by one, between the pictures of other clients.
        class_names: the name of label 0..C-1.
        limits: of films.
        clock: seconds, from any start.
    """

    def __init__(
        self,
        network: NetworkThread,
        class_names: list[str],
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._network, self._names, self._limits = network, class_names, limits
        self._clock = clock
        self.arriving = Arriving(limits.films * limits.film_bytes)
        self._films: dict[str, Film] = {}
        self._queue: deque[Film] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._folder: Path | None = None
        self._thread: threading.Thread | None = None

    def place(self) -> Film:
        """A folder for a film that is about to be sent; ``start`` or ``remove`` it.

        Raises:
            RefusedError: as many wait or run as are taken.
        """
        self.sweep()
        with self._changed:
            self._require_place()
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            number = secrets.token_urlsafe(12)
            film = Film(number, self._folder / number)
            film.folder.mkdir()
        return film

    def start(self, film: Film) -> None:
        """Look at a film that was sent.

        Raises:
            RefusedError: it is no film of a known kind, or others took the places meanwhile.
        """
        with film.file.open("rb") as file:
            if not is_film(file.read(HEAD_BYTES)):
                raise RefusedError(
                    422, "film", f"it is no film of a kind that is taken: {CONTAINERS}"
                )
        with self._changed:
            self._require_place()
            self._films[film.id] = film
            self._queue.append(film)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="films", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def get(self, number: str) -> Film:
        """The film of an id.

        Raises:
            RefusedError: there is none, any more.
        """
        self.sweep()
        film = self._films.get(number)
        if film is None:
            raise RefusedError(404, "film", _GONE)
        return film

    def remove(self, film: Film) -> None:
        """Stop looking at a film and forget it."""
        film.stop.set()
        with self._changed:
            self._films.pop(film.id, None)
            if film in self._queue:
                self._queue.remove(film)
            running = film.progress.state == "running"
        if not running:  # else the thread does it
            shutil.rmtree(film.folder, ignore_errors=True)

    def sweep(self) -> None:
        """Forget films that ended long ago, and the oldest where too many have ended."""
        now = self._clock()
        ended = [film for film in self._films.copy().values() if film.progress.ended_at is not None]
        ended.sort(key=lambda film: film.progress.ended_at or 0.0)
        for place, film in enumerate(ended):
            late = now - (film.progress.ended_at or 0.0) > self._limits.film_kept_s
            if late or len(ended) - place > self._limits.films:
                self.remove(film)

    def close(self) -> None:
        """Stop what runs and take all files away."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()
        for film in self._films.copy().values():
            film.stop.set()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)
        self.remove_files()

    def remove_files(self) -> None:
        """Take all files away, whatever still runs."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _require_place(self) -> None:
        unfinished = sum(film.progress.ended_at is None for film in self._films.values())
        if unfinished >= self._limits.films or self._closed:
            raise busy(f"{unfinished} films are looked at already, as many as are taken")

    def _run(self) -> None:
        while (film := self._next()) is not None:
            film.progress = replace(film.progress, state="running")
            try:
                self._look(film)
            except YolokitError as error:
                self._end(film, "failed", tamed(" ".join(str(error).split())))
            except Exception as error:  # of a decoder, on a film of a stranger
                self._end(film, "failed", f"it could not be read: {type(error).__name__}")
            film.file.unlink(missing_ok=True)
            if film.id not in self._films:  # removed meanwhile
                shutil.rmtree(film.folder, ignore_errors=True)

    def _next(self) -> Film | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            return self._queue.popleft() if self._queue else None

    def _look(self, film: Film) -> None:
        self._require_size(film)
        source = Source(film.name, Kind.VIDEO, film.file)
        records = film.folder / "detections.json"
        outcome = detect(
            [source],
            lambda images: [self._detect(image, film) for image in images],
            film.folder / "out",
            class_names=self._names,
            outputs=Outputs(video=film.video, json_file=records),
            observe=lambda frame, found: self._observe(film, frame, found),
            stop=film.stop,
        )
        done = film.progress
        cut = done.frames >= self._limits.film_frames
        notes = [note.replace(f"{film.folder}/out/", "") for note in outcome.notes]
        if cut:
            notes = [f"only the first {done.frames} frames were looked at"]
        videos = [path for path in outcome.written if path != records]
        film.progress = replace(
            done, video=videos[0] if videos else None, detections=records, message=None
        )
        self._end(
            film, "stopped" if film.stop.is_set() and not cut else "done", "; ".join(notes) or None
        )

    def _require_size(self, film: Film) -> None:
        height, width = frame_hw(film.file)
        most = self._limits.picture_pixels
        if width * height > most:
            what = f"a frame of the film has {width}x{height} pixels"
            raise too_large(what, f"{most / 1e6:.3g} million")

    def _detect(self, image: NDArray[np.uint8], film: Film) -> Detections:
        assert film.wanted is not None
        prepared, letterbox = prepare_image(image, self._network.predictor.image_hw)
        return self._network.submit(prepared, letterbox, film.wanted).result().detections

    def _observe(self, film: Film, frame: Frame, found: Detections) -> bool:
        done = film.progress
        film.progress = replace(
            done,
            frames=done.frames + 1,
            total=frame.total or None,
            objects=done.objects + Counter(found.labels.tolist()),
        )
        return done.frames + 1 < self._limits.film_frames

    def _end(self, film: Film, state: State, message: str | None = None) -> None:
        film.progress = replace(film.progress, state=state, message=message, ended_at=self._clock())
