"""Models of command lines, and the precision to compute them in."""

from __future__ import annotations

from existing import existing


def with_precision(text: str) -> tuple[str, str]:
    """``MODEL@bf16`` as model and precision, by default ``auto``; the model must be there, or be
    torchvision's by name."""
    model, mark, precision = text.rpartition("@")
    model, precision = (model, precision) if mark else (text, "auto")
    if not model.startswith("torchvision:"):
        existing(model)
    return model, precision


def named(model: str, precision: str) -> str:
    """What a table calls a model in a precision."""
    return model if precision == "auto" else f"{model} in {precision}"
