"""From what the rooms below give to what is sent."""

from __future__ import annotations

from yolokit._version import __version__
from yolokit.drawing import class_colour
from yolokit.inference.predictor import Predictor
from yolokit.inference.words import model_facts
from yolokit.models.card import ModelCard
from yolokit.serving.films import Film
from yolokit.serving.limits import Limits
from yolokit.serving.schemas import ClassOut, DetectionOut, FilmOut, LimitsOut, ModelOut
from yolokit.types import Detections

DEFAULT_CONF = 0.25  # of `yolokit detect`


def detections_out(found: Detections, predictor: Predictor) -> list[DetectionOut]:
    """Best first."""
    names, ids = predictor.class_names, predictor.category_ids
    return [
        DetectionOut(
            name=names[label],
            category_id=ids[label],
            label=label,
            score=score,
            box_xywh=(x1, y1, x2 - x1, y2 - y1),
        )
        for (x1, y1, x2, y2), score, label in zip(
            found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True
        )
    ]


def model_out(predictor: Predictor, name: str, limits: Limits) -> ModelOut:
    """The card of a model; nothing about this machine's folders."""
    card = predictor.card
    nms = card.export.nms if card.export else None
    classes = zip(predictor.class_names, predictor.category_ids, strict=True)
    return ModelOut(
        name=name,
        facts=dict(model_facts(predictor, None)),
        classes=[
            ClassOut(label=label, name=each, category_id=number, colour=_hex(label))
            for label, (each, number) in enumerate(classes)
        ],
        input_hw=card.image_hw,
        conf=DEFAULT_CONF,
        lowest_conf=nms.score_threshold if nms else 0.0,
        iou=card.predict.iou_threshold,
        max_objects=card.predict.max_detections,
        metrics=card.metrics if isinstance(card, ModelCard) else {},
        version=__version__,
        limits=LimitsOut(
            picture_bytes=limits.picture_bytes,
            picture_pixels=limits.picture_pixels,
            film_bytes=limits.film_bytes,
            film_frames=limits.film_frames,
        ),
    )


def film_out(film: Film, class_names: list[str]) -> FilmOut:
    """How far a film is."""
    done = film.progress
    return FilmOut(
        id=film.id,
        name=film.name,
        state=done.state,
        frames=done.frames,
        total=done.total,
        message=done.message,
        video=done.video is not None,
        detections=done.detections is not None,
        objects={class_names[label]: count for label, count in done.objects.most_common()},
    )


def _hex(label: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*class_colour(label))
