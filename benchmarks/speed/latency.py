"""Milliseconds a picture, from file to boxes, ours beside others', in turn: A B A B.

    python benchmarks/speed/latency.py --pictures DIR --model runs/cells/model.safetensors \
        --peers ~/peers/bin/python --peer yolo11n --image-size 320 --out latency.json

Run by yolokit's Python. Every contestant is a program of its own in every round, so that a busy
moment of the machine hits all alike; the ratio is that of one round's medians.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from existing import existing
from precision import named, with_precision
from turns import Row, ratio_table

HERE = Path(__file__).resolve().parent
STEPS = ("whole", "decode", "prepare", "network", "postprocess")

Contestant: TypeAlias = Callable[[], Row]


def main() -> None:
    """Run all contestants in turn, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=existing, required=True, help="folder of pictures")
    parser.add_argument(
        "--model",
        type=with_precision,
        action="append",
        default=[],
        help="that yolokit detects with; MODEL@f32 or MODEL@bf16 in that precision",
    )
    parser.add_argument("--peers", type=existing, help="Python of the peers' environment")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        help="yolo11n, yolo26n, yolo11n:openvino, …; of LibreYOLO yolo9t",
    )
    parser.add_argument("--image-size", type=int, default=320, help="of the peers, longer side")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=32, help="pictures a round")
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    options = parser.parse_args()
    if bool(options.peer) != bool(options.peers) or not options.model:
        parser.error("give at least one --model, and --peers PYTHON with --peer NAME")
    contestants: dict[str, Contestant] = {
        named(*model): lambda model=model: yolokit_row(*model, options)  # type: ignore[misc]
        for model in options.model
    }
    contestants |= {
        peer: lambda peer=peer: peer_row(peer, options)  # type: ignore[misc]
        for peer in options.peer
    }
    rounds = [{name: run() for name, run in contestants.items()} for _ in range(options.rounds)]
    facts = {name: str(value) for name, value in vars(options).items() if name != "out"}
    options.out.write_text(json.dumps({"options": facts, "rounds": rounds}, indent=1) + "\n")
    print(table(rounds))


def yolokit_row(model: str, precision: str, options: argparse.Namespace) -> Row:
    """Medians of ``yolokit bench``, which times each step where it happens."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.json"
        _run(
            *(sys.executable, "-m", "yolokit", "bench", model, "--device", "cpu"),
            *("--pictures", options.pictures, "--threads", options.threads),
            *("--precision", precision, "--runs", options.runs, "--json", file),
        )
        (entry,) = json.loads(file.read_text())["models"]
    return {step: float(entry["ms"][step]["p50"]) for step in STEPS}


def peer_row(peer: str, options: argparse.Namespace) -> Row:
    """Medians of a peer's runner, in its own environment."""
    runner = "libreyolo_latency.py" if peer.startswith("yolo9") else "ultralytics_latency.py"
    said = _run(
        *(options.peers, HERE / runner, peer),
        *("--pictures", options.pictures, "--threads", options.threads),
        *("--runs", options.runs, "--image-size", options.image_size),
    )
    row: Row = json.loads(said.splitlines()[-1])
    return row


def _run(*command: Any) -> str:
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def table(rounds: Sequence[Mapping[str, Row]]) -> str:
    """Milliseconds, and the whole time beside the first contestant's."""
    return ratio_table(rounds, {step: step for step in STEPS}, by="whole", digits=1)


if __name__ == "__main__":
    main()
