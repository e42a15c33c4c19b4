"""A loaded model as people who script have it: it predicts, and can be exported. Needs no torch.

``Predictor`` stands below the exporters and cannot know them; what joins the two stands above both.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from yolokit.errors import ExportError, WeightsError
from yolokit.explain.before import EXPORTED, TORCHVISIONS
from yolokit.hub.shareable import Shareable
from yolokit.inference.arguments import check_counts
from yolokit.inference.classes import Classes
from yolokit.inference.exported import ComputePrecision, least_score
from yolokit.inference.loading import load_backend
from yolokit.inference.predictor import BATCH, Predictor
from yolokit.inference.result import Result
from yolokit.inference.sources import is_many
from yolokit.inference.words import model_facts
from yolokit.inference.workers import Detect
from yolokit.models.card import ModelCard
from yolokit.models.hub_name import hub_name
from yolokit.models.torchvision_name import NOT_EXPORTED
from yolokit.tracking.films import FRAMES_FPS
from yolokit.tracking.tracker import TrackerName
from yolokit.video.feed import Given, frames_of, moves, picture_of, sources_of
from yolokit.video.frames import Frame, Kind
from yolokit.video.pipeline import Follow, predicted

if TYPE_CHECKING:
    from yolokit.explain.explainer import Explainer
    from yolokit.export.write import Exported
    from yolokit.models.export_record import ExportFormat, Precision


class Model(Shareable, Predictor):
    """A trained detector: see ``Predictor`` for what it does, ``load`` for where it is from."""

    path: Path | None = None  # what it was loaded from

    def __repr__(self) -> str:
        kind, *_ = model_facts(self, self.path)
        return f"<Model {kind[1]}, {len(self.class_names)} classes, on {self.device}>"

    def __str__(self) -> str:
        return "\n".join(f"{name:<8} {what}" for name, what in model_facts(self, self.path))

    def _repr_html_(self) -> str:
        rows = (
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(what)}</td></tr>"
            for name, what in model_facts(self, self.path)
        )
        return f"<table>{''.join(rows)}</table>"

    @overload
    def predict(
        self,
        sources: Given | Sequence[Given],
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
        sources: Given | Iterable[Given],
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
        sources: Given | Iterable[Given],
        *,
        conf: float = 0.25,
        iou: float | None = None,
        max_objects: int | None = None,
        classes: Classes | None = None,
        batch_size: int = BATCH,
        stream: bool = False,
    ) -> Iterable[Result]:
        """Detect in all that ``yolokit detect`` takes, and in pictures in memory.

        Args:
            sources: one or many: a picture's or a video's path, a folder, a glob, an http or rtsp
                address, a camera's number; an array [H, W, 3] uint8 RGB, or a PIL image.
            conf: report what scores more than this, 0..1.
            iou: of two boxes of a class that overlap by more, the lower falls; None takes the
                model's own.
            max_objects: per picture, at least 1; None takes the model's own.
            classes: names or labels of the classes to report; others take no place among
                ``max_objects``. None reports all.
            batch_size: pictures a step, at least 1; a live source's frames go one by one.
            stream: give results one by one, holding no more pictures than two steps'.

        Returns:
            One result per picture or frame, in order: a list; an iterator for a stream, for sources
            without a length, and where a video, camera or stream is among them. What comes live is
            the newest frame when it is asked for.

        Raises:
            SourceError: a folder or glob without a picture, a video or stream that cannot be read.
            ImageError: a picture that cannot be read; the message names it.
            WeightsError, ConfigError, ValueError: as ``Predictor.predict``.
        """
        many = is_many(sources)
        given: Any = sources if many else [sources]
        lazily = many and not hasattr(sources, "__len__")
        flat = given if lazily else sources_of(given)
        asked: dict[str, Any] = {
            "conf": conf,
            "iou": iou,
            "max_objects": max_objects,
            "classes": classes,
        }
        if not lazily and not any(map(moves, flat)):
            pictures = [picture_of(each) for each in flat]
            return super().predict(pictures, **asked, batch_size=batch_size, stream=stream)
        check_counts(batch_size=batch_size)
        return self._watched(frames_of(flat), self._asked(**asked), batch_size)

    def track(
        self,
        source: Given | Iterable[Given],
        *,
        conf: float = 0.25,
        iou: float | None = None,
        max_objects: int | None = None,
        classes: Classes | None = None,
        tracker: TrackerName = "bytetrack",
        fps: float = FRAMES_FPS,
        batch_size: int = BATCH,
    ) -> Iterator[Result]:
        """Follow objects through a film: as ``predict``, and each object keeps its ``track_id``.

        Args:
            source: the path of a film, a folder or glob of frames, an http or rtsp address, a
                camera's number; or pictures, paths or in memory, that are the frames of one film.
            conf: what scores more begins a track, and is reported whether it has one or not. What
                scores from 0.1 on and continues a track is reported too.
            iou: as for ``predict``, but of two boxes of any classes; so are ``max_objects``,
                ``classes`` and ``batch_size``.
            tracker: ``bytetrack``, or ``ocsort``, which takes nothing that scores less.
            fps: frames a second of a film of pictures.

        Yields:
            One result per frame, as they come.

        Raises:
            SourceError, ImageError: what cannot be read.
            ConfigError: no such tracker, it is not installed, or as for ``predict``.
            WeightsError, ValueError: as for ``predict``.
        """
        from yolokit.tracking.feed import film_frames
        from yolokit.tracking.follower import weak_threshold
        from yolokit.tracking.library import library_follower

        check_counts(batch_size=batch_size)
        asked: dict[str, Any] = {"iou": iou, "max_objects": max_objects, "classes": classes}
        self._asked(conf=conf, **asked)
        overlap = self.card.predict.iou_threshold if iou is None else iou
        follow = library_follower(tracker, score_threshold=conf, iou_threshold=overlap)
        detect = self._asked(conf=weak_threshold(conf, least_score(self.card)), **asked)
        return self._watched(film_frames(source, fps=fps), detect, batch_size, follow)

    def _watched(
        self,
        frames: Iterator[Frame],
        detect: Detect,
        batch_size: int,
        follow: Follow | None = None,
    ) -> Iterator[Result]:
        found = predicted(frames, detect, batch_size=batch_size, workers=self.workers)
        for frame, detections in found:
            still = frame.source.kind is Kind.IMAGE
            yield Result(
                detections=detections if follow is None else follow(frame, detections),
                class_names=self.class_names,
                category_ids=self.category_ids,
                image_hw=(frame.image.shape[0], frame.image.shape[1]),
                source=frame.source.name or None,
                pixels=None if still and frame.source.path else frame.image,
                frame=None if still else frame.index,
                pts_ms=None if still else frame.pts_ms,
            )

    @property
    def explain(self) -> Explainer:
        """Looks inside: ``model.explain.cells("photo.jpg")``, see ``Explainer``.

        Raises:
            WeightsError: an exported model, or torchvision's.
        """
        if not isinstance(self.card, ModelCard):
            raise WeightsError(f"this model {TORCHVISIONS}")
        if self.card.export is not None:
            raise WeightsError(f"this model {EXPORTED}")
        from yolokit.explain.explainer import Explainer
        from yolokit.inference.torch_backend import TorchBackend

        assert isinstance(self.backend, TorchBackend)
        return Explainer(self.backend.detector, self.card)

    def export(
        self,
        format: ExportFormat,
        *,
        out: str | Path | None = None,
        data: str | Path | None = None,
        precision: Precision = "f32",
        dynamic: bool = False,
        nms: bool = False,
        max_drop: float = 0.5,
    ) -> Exported:
        """Write it for other runtimes and prove that what is written is the same.

        Args:
            format: ``onnx``, one file, or ``openvino``, a folder.
            out: the file or folder; by default beside the model's own.
            data: a data folder or data.yaml to check on; by default the run's own val split, else
                made-up photos. ``int8`` is calibrated on its train split.
            precision: ``f32``, ``f16``, or ``int8`` (OpenVINO).
            dynamic: take any number of pictures at once, not one.
            nms: suppress duplicates inside, by the model's own thresholds.
            max_drop: AP points of 100; a file that loses more is refused.

        Returns:
            Where it is, its card, and AP before and after.

        Raises:
            ExportError: a library is missing, the file is not good enough (and is not there), or
                this model is an exported one itself, or torchvision's.
            DataError, ConfigError: see ``yolokit.export.write``.
        """
        if self.card.export is not None:  # asked first: there may be no torch to import
            raise ExportError("this model is an exported one. Export the one it came from")
        if not isinstance(self.card, ModelCard):
            raise ExportError(NOT_EXPORTED)
        from yolokit.export.options import ExportOptions
        from yolokit.export.target import target_outside_cache
        from yolokit.export.write import export_model
        from yolokit.inference.torch_backend import TorchBackend
        from yolokit.models.model_path import model_file

        options = ExportOptions(
            format=format, precision=precision, dynamic=dynamic, nms=nms, max_drop=max_drop
        )
        assert isinstance(self.backend, TorchBackend)
        return export_model(
            self.backend.detector,
            self.card,
            options,
            file=None if self.path is None or hub_name(self.path) else model_file(self.path),
            data=None if data is None else Path(data),
            out=target_outside_cache(None if out is None else Path(out), self.path, options),
        )


def load(path: str | Path, *, device: str = "auto", precision: ComputePrecision = "auto") -> Model:
    """Read a model of any kind, ready to predict; see ``Predictor.load``."""
    model = Model(*load_backend(Path(path), device, precision))
    model.path = Path(path)
    return model
