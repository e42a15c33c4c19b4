"""From nothing to files: a whole program's time for a folder of pictures and for its first picture.

    python benchmarks/speed/cold.py --pictures DIR --model runs/cells/model.safetensors \
        --model cells.onnx --peers ~/peers/bin/python --peer yolo11n --out cold.json

Every contestant is a new process that reads the pictures, detects, and writes annotated pictures
and the detections as text: ``yolokit detect --save-json``, and ``yolo predict`` with ``save``,
``save_txt`` and ``save_conf``. They take turns; the ratio is that of one round. Processor seconds
and the peak of memory are those of the process. A peer has random weights and finds next to
nothing, so it has less to draw and to write. With ``--text-only`` nobody draws.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from existing import existing
from precision import named, with_precision
from turns import Row, ratio_table

HERE = Path(__file__).resolve().parent
FIGURES = ("seconds", "processor", "memory")
_RSS_BYTES = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, getrusage(2)
UNITS = {"seconds": "s", "processor": "s", "memory": "MB"}

Command: TypeAlias = list[str]


def main() -> None:
    """Run all contestants in turn on one picture and on all, print two tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=existing, required=True, help="folder of pictures")
    parser.add_argument(
        "--model",
        type=with_precision,
        action="append",
        default=[],
        help="of yolokit's; MODEL@f32 or MODEL@bf16 in that precision",
    )
    parser.add_argument("--peers", type=existing, help="Python of the peers' environment")
    parser.add_argument("--peer", action="append", default=[], help="yolo11n, yolo26n, …")
    parser.add_argument("--image-size", type=int, default=320, help="of the peers, longer side")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=1000, help="pictures of the folder")
    parser.add_argument("--text-only", action="store_true", help="write no annotated pictures")
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    options = parser.parse_args()
    if bool(options.peer) != bool(options.peers) or not options.model:
        parser.error("give at least one --model, and --peers PYTHON with --peer NAME")
    if not options.pictures.is_dir():
        parser.error(f"{options.pictures} is no folder")
    with tempfile.TemporaryDirectory() as name:
        report = measure(options, Path(name))
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    for title, rounds in report.items():
        print(f"{title}\n{table(rounds)}\n")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, list[dict[str, Row]]]:
    """The figures of every contestant, round by round, by how many pictures there were."""
    files = sorted(p.resolve() for p in options.pictures.iterdir() if p.is_file())
    report: dict[str, list[dict[str, Row]]] = {}
    for count in (1, options.most):
        pictures = folder / f"pictures{count}"
        pictures.mkdir()
        for number in range(count):  # a small folder is gone through several times
            file = files[number % len(files)]
            (pictures / f"{number:05}{file.suffix}").symlink_to(file)
        commands = contestants(options, pictures, folder)
        report[f"{count} pictures"] = [
            {name: run(command, options.threads) for name, command in commands.items()}
            for _ in range(options.rounds)
        ]
    return report


def contestants(options: argparse.Namespace, pictures: Path, folder: Path) -> dict[str, Command]:
    """What to run for each contestant."""
    ours = (sys.executable, "-m", "yolokit", "detect")
    where = ("--out", str(folder / "ours"), "--save-json", "--device", "cpu")
    undrawn = ["--no-save-images"] if options.text_only else []
    commands = {
        named(model, precision): [
            *(*ours, str(Path(model).resolve()), str(pictures)),
            *("--precision", precision, *where, *undrawn),
        ]
        for model, precision in options.model
    }
    for peer in options.peer:
        commands[peer] = [
            *(str(options.peers), str(HERE / "ultralytics_cold.py"), peer),
            *("--pictures", str(pictures), "--image-size", str(options.image_size)),
            *("--threads", str(options.threads), "--folder", str(folder / "peer")),
            *(["--text-only"] if options.text_only else []),
        ]
        run([*commands[peer], "--prepare"], options.threads)
    return commands


def run(command: Command, threads: int) -> Row:
    """A process's seconds, processor seconds, and peak of memory in MB."""
    started = time.perf_counter()
    child = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
    )
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"exit status {child.returncode}: {' '.join(command)}")
    return {
        "seconds": seconds,
        "processor": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss * _RSS_BYTES / 1e6,
    }


def table(rounds: Sequence[Mapping[str, Row]]) -> str:
    """Medians, and seconds beside the first contestant's: median, lowest, highest."""
    titles = {each: f"{each}, {UNITS[each]}" for each in FIGURES}
    return ratio_table(rounds, titles, by="seconds", digits=2)


if __name__ == "__main__":
    main()
