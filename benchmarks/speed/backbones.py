"""What backbones cost on this machine: alone, and in a detector of the default head.

    python benchmarks/speed/backbones.py --rounds 5 --json backbones.json

Random weights: the time does not depend on them. Each backbone is run as detection runs it, batch
norms folded, one picture at a time, all of them in turn; what is printed are medians over the
rounds, and each detector's time beside the first's.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from turns import Row, ratio_table

from yolokit.config_file import find_config, load_config
from yolokit.inference.torch_backend import TorchBackend
from yolokit.models.build import build_detector

BACKBONES = (
    "mobilenet_v2",
    "timm:tf_efficientnet_lite0",
    "squeezenet1_1",
    "mobilenet_v3_large",
    "timm:mobilenetv4_conv_small",
    "timm:hgnetv2_b0",
    "timm:lcnet_100",
    "resnet18",
)
COLUMNS = {
    "parameters": "backbone, M params",
    "gmac": "backbone, GMAC",
    "backbone": "backbone, ms",
    "detector": "detector, ms",
}
CLASSES = 3
WARM_UP = 3  # pictures that are not counted


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure in turn, print the table, write the JSON."""
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    image_hw = (options.height, options.width)
    runs = {name: contestant(name, image_hw) for name in options.backbone or BACKBONES}
    rounds = [
        {name: run(options.runs) for name, run in runs.items()} for _ in range(options.rounds)
    ]
    if options.json:
        facts = {"image_hw": image_hw, "threads": options.threads, "torch": torch.__version__}
        options.json.write_text(
            json.dumps(facts | {"rounds": rounds}, indent=1) + "\n", encoding="utf-8"
        )
    print(ratio_table(rounds, COLUMNS, by="detector", digits=2))


def contestant(name: str, image_hw: tuple[int, int]) -> Callable[[int], Row]:
    """A function that times a backbone, alone and in its detector, over some pictures."""
    overrides = [f"model.backbone.name={name}", "model.backbone.weights=none"]
    config = load_config(find_config("yolo_mobilenet_v2"), overrides)
    detector = build_detector(config.model, num_classes=CLASSES, image_hw=image_hw).eval()
    backend = TorchBackend.of_final(detector, "cpu")
    network = backend._network
    images = torch.randint(0, 256, (1, *image_hw, 3), dtype=torch.uint8)
    pixels = images.permute(0, 3, 1, 2)  # lies channels-last, as in detection
    with torch.inference_mode():
        normal = network.normalise(pixels)
    size = {
        "parameters": sum(each.numel() for each in detector.backbone.parameters()) / 1e6,
        "gmac": _gmac(lambda: detector.backbone(normal)),
    }
    steps: Mapping[str, Callable[[], object]] = {
        "backbone": lambda: network.backbone(normal),
        "detector": lambda: backend(images.numpy()),
    }

    def run(pictures: int) -> Row:
        return size | {step: _milliseconds(call, pictures) for step, call in steps.items()}

    return run


def _gmac(call: Callable[[], list[Tensor]]) -> float:
    """Billions of products; of a convolution or a matrix product each has one sum."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 2e9


def _milliseconds(call: Callable[[], object], pictures: int) -> float:
    times = []
    with torch.inference_mode():
        for _ in range(WARM_UP + pictures):
            started = time.perf_counter()
            call()
            times.append(1000 * (time.perf_counter() - started))
    return median(times[WARM_UP:])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", action="append", help="NAME or timm:NAME  [default: eight]")
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=32, help="pictures a round")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
