"""``yolo predict`` on a folder, with random weights; run by the peers' Python.

``--prepare`` only writes the weights that later runs read.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from existing import existing


def main() -> None:
    """Predict every picture of a folder; write text and, if wanted, annotated pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", help="yolo11n, yolo26n, …")
    parser.add_argument("--pictures", type=existing, required=True)
    parser.add_argument("--image-size", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="for weights and results")
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--text-only", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    os.environ |= {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
    os.environ["YOLO_CONFIG_DIR"] = str(options.folder)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import ultralytics.utils
    import ultralytics.utils.torch_utils
    from ultralytics import YOLO

    # It leaves one core idle by default, and applies this number when it picks a device.
    ultralytics.utils.NUM_THREADS = options.threads
    ultralytics.utils.torch_utils.NUM_THREADS = options.threads
    weights = options.folder / f"{options.network}.pt"
    if options.prepare:
        YOLO(f"{options.network}.yaml").save(weights)
        return
    results = YOLO(weights).predict(
        str(options.pictures),
        imgsz=options.image_size,
        device="cpu",
        project=str(options.folder / "results"),
        save=not options.text_only,
        save_txt=True,
        save_conf=True,
        stream=True,
        verbose=False,
    )
    for _ in results:
        pass


if __name__ == "__main__":
    main()
