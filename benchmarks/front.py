"""AP over time a picture, of every detector that has both, as a picture and a table.

    python benchmarks/front.py benchmarks/front.json --out docs/images/front.png

The file holds one object a detector: ``name``, ``ours``, ``ap`` (mean over the sets), ``sets``
(AP by set, may be left out), ``ms`` (runtime -> milliseconds a picture, from file to boxes) and
``label_at`` (its name's place, points from its slowest mark; may be left out). They come from
`benchmarks/accuracy` and `benchmarks/speed/latency.py`. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MARKERS = {"PyTorch": "o", "ONNX Runtime": "s", "OpenVINO": "D", "OpenVINO int8": "v"}
OURS, THEIRS = "#0b6e4f", "#b5442e"


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the picture, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="JSON of detectors")
    parser.add_argument("--out", type=Path, required=True, help="PNG")
    options = parser.parse_args(arguments)
    try:
        found = json.loads(options.file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        parser.error(f"cannot read {options.file}: {error}")
    draw(found["detectors"], found["about"], options.out)
    print(table(found["detectors"]))


def table(detectors: Sequence[dict[str, Any]]) -> str:
    """Markdown: one row a detector, by AP."""
    runtimes = [name for name in MARKERS if any(name in each["ms"] for each in detectors)]
    sets = list(next(each["sets"] for each in detectors if "sets" in each))
    lines = [["", *sets, "mean AP", *(f"{name}, ms" for name in runtimes)]]
    lines.append(["---"] * len(lines[0]))
    for each in sorted(detectors, key=lambda detector: -float(detector["ap"])):
        scores = [f"{each['sets'][name]:.3f}" if "sets" in each else "" for name in sets]
        times = [f"{each['ms'][name]:.1f}" if name in each["ms"] else "" for name in runtimes]
        lines.append([each["name"], *scores, f"{each['ap']:.3f}", *times])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def draw(detectors: Sequence[dict[str, Any]], about: str, out: Path) -> None:
    """A line a detector through its runtimes: the higher and the further left, the better."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.6), layout="constrained")
    for each in detectors:
        colour = OURS if each["ours"] else THEIRS
        times = sorted(each["ms"].items(), key=lambda pair: float(pair[1]))
        axes.plot([ms for _, ms in times], [each["ap"]] * len(times), "-", color=colour, alpha=0.4)
        for runtime, ms in times:
            axes.plot(ms, each["ap"], MARKERS[runtime], color=colour)
        slowest = float(times[-1][1])
        axes.annotate(
            *(each["name"], (slowest, each["ap"])),
            xytext=each.get("label_at", (7, -3)),
            textcoords="offset points",
            color=colour,
            fontsize=9,
        )
    _finish(axes, about, max(float(ms) for each in detectors for ms in each["ms"].values()))
    figure.savefig(out, dpi=120)


def _finish(axes: Any, about: str, slowest: float) -> None:
    for runtime, marker in MARKERS.items():
        axes.plot([], [], marker, color="#555555", label=runtime)
    axes.set_xlim(0, slowest * 1.45)  # room for the names
    axes.set_ylim(0, axes.get_ylim()[1] * 1.1)
    axes.set_xlabel("milliseconds a picture, from file to boxes")
    axes.set_ylabel("AP after ten minutes of training")
    axes.set_title(about, fontsize=9, loc="left")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="lower left")


if __name__ == "__main__":
    main()
