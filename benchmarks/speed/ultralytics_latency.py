"""Ultralytics' milliseconds a picture, from file to boxes; run by the peers' Python.

    PEERS/bin/python benchmarks/speed/ultralytics_latency.py yolo11n --pictures DIR \
        --image-size 320 --threads 2 --runs 32

``yolo11n:onnx`` and ``yolo11n:openvino`` are its own exports, as it makes and runs them by default.
Prints one JSON object. The network has random weights: its time does not depend on them, and
nothing needs to be downloaded; its postprocessing has next to nothing to do. Its own clock tells
what preparing, the network and postprocessing take; decoding is what is left.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from itertools import cycle, islice
from statistics import median
from typing import Any

from existing import existing

WARM_UP = 5  # runs that are not counted
STEPS = {"prepare": "preprocess", "network": "inference", "postprocess": "postprocess"}


def main() -> None:
    """Time one network on the pictures of a folder, one at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", help="yolo11n, yolo26n, …, or one with :onnx, :openvino")
    parser.add_argument("--pictures", type=existing, required=True)
    parser.add_argument("--image-size", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--runs", type=int, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(options, folder)))


def measure(options: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Medians in milliseconds of each step and of the whole.

    Args:
        options: of the command line.
        folder: where its settings and exports may lie.
    """
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # else the import sets 1
    os.environ |= {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}
    os.environ["YOLO_CONFIG_DIR"] = folder
    import torch
    import ultralytics.utils
    import ultralytics.utils.torch_utils
    from ultralytics import YOLO

    # It leaves one core idle by default, and applies this number when it picks a device.
    ultralytics.utils.NUM_THREADS = options.threads
    ultralytics.utils.torch_utils.NUM_THREADS = options.threads
    network, _, exported = options.network.partition(":")
    model = YOLO(f"{network}.yaml", task="detect")
    if exported:
        os.chdir(folder)  # it writes its export there
        with contextlib.redirect_stdout(sys.stderr):
            file = model.export(format=exported, imgsz=options.image_size, device="cpu")
        model = YOLO(file, task="detect")
    files = sorted(p.resolve() for p in options.pictures.iterdir() if p.is_file())
    rows: list[dict[str, float]] = []
    for file in islice(cycle(files), WARM_UP + options.runs):
        started = time.perf_counter()
        (result,) = model.predict(str(file), imgsz=options.image_size, device="cpu", verbose=False)
        whole = 1000 * (time.perf_counter() - started)
        steps = {name: float(result.speed[theirs]) for name, theirs in STEPS.items()}
        rows.append({"whole": whole, "decode": whole - sum(steps.values()), **steps})
    if torch.get_num_threads() != options.threads:
        raise SystemExit(f"computed with {torch.get_num_threads()} threads")
    counted = rows[WARM_UP:]
    return {name: median(row[name] for row in counted) for name in rows[0]}


if __name__ == "__main__":
    main()
