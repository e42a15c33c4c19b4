"""What a report says of the model file: its card, its size, its speed where that was measured."""

from __future__ import annotations

from pathlib import Path

from yolokit.inference.backend import Card
from yolokit.models.card import ModelCard
from yolokit.report.page import Part, Section, paragraph

_NAMED_CLASSES = 40


def model_section(
    model: Path,
    card: Card,
    *,
    where: str,
    pictures: int,
    seconds: float | None,
    parameters: int | None = None,
) -> Section:
    """The model card.

    Args:
        model: its file or folder.
        card: of it.
        where: what ran it: engine and device.
        pictures: that were detected on.
        seconds: that took, decoding and scoring included; None where it was not measured.
        parameters: numbers in it; None where that is not known.
    """
    names = ", ".join(card.class_names[:_NAMED_CLASSES])
    more = len(card.class_names) - _NAMED_CLASSES
    ids = ", ".join(map(str, card.category_ids[:_NAMED_CLASSES]))
    pairs = [
        (
            "file",
            f"{model.name}, {size_bytes(model) / 1e6:.1f} MB" if model.exists() else str(model),
        ),
        ("input", _input(card)),
        (
            "classes",
            f"{len(card.class_names)}: {names}" + (f" and {more} more" if more > 0 else ""),
        ),
        ("category ids", ids + (", …" if more > 0 else "")),
        ("runs on", where),
    ]
    if isinstance(card, ModelCard):
        pairs[1:1] = _of_our_own(card, parameters)
    if card.export is not None:
        pairs.append(("exported as", card.export.format))
    if seconds is not None and pictures:
        pairs.append(
            (
                "speed here",
                f"{1000 * seconds / pictures:.1f} ms a picture, from file to score, in batches; "
                "yolokit bench measures part by part",
            )
        )
    note = (
        "It knows nothing but its classes, seen as in its training pictures; on others, measure "
        "before you rely on it."
    )
    return Section("The model", [Part("facts", pairs), paragraph(note, "soft")])


def _input(card: Card) -> str:
    if card.image_hw is None:
        return "RGB, pictures as large as they are"
    height, width = card.image_hw
    return f"RGB, {width}x{height} px, letterboxed"


def _of_our_own(card: ModelCard, parameters: int | None) -> list[tuple[str, str]]:
    million = f", {parameters / 1e6:.3g} million parameters" if parameters else ""
    return [
        ("architecture", f"{card.model.head.type} on {card.model.backbone.name}{million}"),
        ("normalisation", f"mean {_numbers(card.mean)}, deviation {_numbers(card.std)} of 0..1"),
        ("written by", f"yolokit {card.yolokit_version}"),
        ("trained on", f"data of fingerprint {card.data_fingerprint[:12] or 'unknown'}"),
    ]


def size_bytes(model: Path) -> int:
    """Bytes of a model's file, or of all files of its folder."""
    if model.is_file():
        return model.stat().st_size
    return sum(each.stat().st_size for each in model.rglob("*") if each.is_file())


def _numbers(values: tuple[float, ...]) -> str:
    return "/".join(f"{value:.3g}" for value in values)
