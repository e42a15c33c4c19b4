"""LibreYOLO's milliseconds a picture, from file to boxes; run by the peers' Python.

    PEERS/bin/python benchmarks/speed/libreyolo_latency.py yolo9t --pictures DIR \
        --image-size 320 --threads 2 --runs 32

Prints one JSON object. The network has random weights: its time does not depend on them, and
nothing needs to be downloaded; its postprocessing has next to nothing to do. It tells the whole
time only, not that of its parts. Its input is square, as it makes it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from itertools import cycle, islice
from statistics import median

from existing import existing

WARM_UP = 5  # runs that are not counted
SIZES = {"yolo9t": "t", "yolo9s": "s"}


def main() -> None:
    """Time one network on the pictures of a folder, one at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=SIZES)
    parser.add_argument("--pictures", type=existing, required=True)
    parser.add_argument("--image-size", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--runs", type=int, required=True)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch
    from libreyolo import LibreYOLO9

    model = LibreYOLO9(None, size=SIZES[options.network], device="cpu")
    model.model.eval()
    torch.set_num_threads(options.threads)
    files = sorted(p.resolve() for p in options.pictures.iterdir() if p.is_file())
    times = []
    for file in islice(cycle(files), WARM_UP + options.runs):
        started = time.perf_counter()
        model.predict(str(file), imgsz=options.image_size)
        times.append(1000 * (time.perf_counter() - started))
    if torch.get_num_threads() != options.threads:
        raise SystemExit(f"computed with {torch.get_num_threads()} threads")
    print(json.dumps({"whole": median(times[WARM_UP:])}))


if __name__ == "__main__":
    main()
