"""What a report says of the model file: its card, its size, its speed where that was measured."""

from __future__ import annotations

from pathlib import Path

from yolokit.models.card import ModelCard
from yolokit.report.page import Part, Section, paragraph

_NAMED_CLASSES = 40


def model_section(
    model: Path,
    card: ModelCard,
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
    height, width = card.image_hw
    names = ", ".join(card.class_names[:_NAMED_CLASSES])
    more = len(card.class_names) - _NAMED_CLASSES
    ids = ", ".join(map(str, card.category_ids[:_NAMED_CLASSES]))
    pairs = [
        ("file", f"{model.name}, {size_bytes(model) / 1e6:.1f} MB"),
        (
            "architecture",
            f"{card.model.head.type} on {card.model.backbone.name}"
            + (f", {parameters / 1e6:.3g} million parameters" if parameters else ""),
        ),
        ("input", f"RGB, {width}x{height} px, letterboxed"),
        ("normalisation", f"mean {_numbers(card.mean)}, deviation {_numbers(card.std)} of 0..1"),
        (
            "classes",
            f"{len(card.class_names)}: {names}" + (f" and {more} more" if more > 0 else ""),
        ),
        ("category ids", ids + (", …" if more > 0 else "")),
        ("written by", f"yolokit {card.yolokit_version}"),
        ("trained on", f"data of fingerprint {card.data_fingerprint[:12] or 'unknown'}"),
        ("runs on", where),
    ]
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


def size_bytes(model: Path) -> int:
    """Bytes of a model's file, or of all files of its folder."""
    if model.is_file():
        return model.stat().st_size
    return sum(each.stat().st_size for each in model.rglob("*") if each.is_file())


def _numbers(values: tuple[float, ...]) -> str:
    return "/".join(f"{value:.3g}" for value in values)
