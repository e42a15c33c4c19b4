"""What ``yolokit bench`` prints."""

from __future__ import annotations

from yolokit.bench.measure import Measured, MeasuredModel
from yolokit.bench.timing import PARTS
from yolokit.plain_text import aligned


def format_measured(found: Measured) -> str:
    """A line on the machine, one on the pictures, and a row for each model."""
    rate, runs = found.rate, found.models[0].times.runs
    bf16 = "" if rate.bf16 is None else f", bf16 {rate.bf16:.0f}"
    head = [
        f"{found.processor}, {found.cpus} threads; matrix product: fp32 {rate.fp32:.0f}{bf16} "
        f"GFLOP/s ({rate.library})",
        f"{found.pictures}; batch {found.batch_size}; {runs} runs of each model, in turn; "
        "ms a picture, medians",
    ]
    titles = ["model", "input", "ratio", "ms", "p95", "pictures/s", *PARTS]
    titles += ["params", "GFLOPs", "GFLOP/s", "of fp32", "memory", "runs on"]
    rows = [_row(model, rate.fp32) for model in found.models]
    return "\n".join([*head, "", aligned([titles, *rows])])


def _row(model: MeasuredModel, fp32: float) -> list[str]:
    whole, size, speed = model.times.whole, model.size, model.gflop_per_second
    return [
        model.name,
        "any" if model.image_hw is None else "{1}x{0}".format(*model.image_hw),
        f"{model.times.ratio:.2f}",
        f"{whole.p50:.1f}",
        f"{whole.p95:.1f}",
        f"{model.pictures_per_second:.1f}",
        *(f"{model.times.parts[part].p50:.1f}" for part in PARTS),
        "-" if size is None else f"{size.parameters / 1e6:.2f} M",
        "-" if size is None else f"{size.gflops:.2f}",
        "-" if speed is None else f"{speed:.0f}",
        "-" if speed is None else f"{speed / fp32:.0%}",
        "-" if model.peak_mb is None else f"{model.peak_mb:.0f} MB",
        model.runs_on,
    ]
