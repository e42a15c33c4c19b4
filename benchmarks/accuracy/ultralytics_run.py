"""Ultralytics' entries: its recipe, its clock, its validation; run by the peers' Python.

    PEERS/bin/python benchmarks/accuracy/ultralytics_run.py yolo11n-mobilenet_v2 \
        --weights mobilenet_v2.pth --sets sets.json --set bccd --seed 0 --out runs/accuracy
    PEERS/bin/python benchmarks/accuracy/ultralytics_run.py yolo26n --sets sets.json --set bccd …

``yolo11n-mobilenet_v2`` puts yolo11n's neck and head on torchvision's MobileNetV2 with the weights
of the given file; ``yolo26n`` starts from nothing. Its defaults stay but for what the comparison
needs: the input size, the time, both threads, pictures in memory, no plots, and no early stop.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from existing import existing
from results import Entry, Point, Stopwatch, chosen_set, missing_splits, option_parser
from sets import Truth, read_truths
from yolo_labels import image_id_of, write_yolo_set

PACKAGES = ("ultralytics", "torch", "torchvision", "opencv-python", "numpy")
DEFAULT_EPOCHS = 100  # Ultralytics' own; with a time it only shapes the first epoch


def main() -> None:
    """Train unless that is done, then predict what is missing."""
    parser = option_parser("Train an Ultralytics detector by the budget and export predictions.")
    parser.add_argument("contestant", choices=("yolo11n-mobilenet_v2", "yolo26n"))
    parser.add_argument("--weights", type=existing, help="backbone file of yolo11n-mobilenet_v2")
    options = parser.parse_args()
    if (options.weights is None) != (options.contestant == "yolo26n"):
        parser.error("yolo11n-mobilenet_v2 needs --weights; yolo26n starts from nothing")
    entry = Entry.of(options.out, options.contestant, options.set, options.seed)
    with tempfile.TemporaryDirectory() as settings:
        prepare_process(options.threads, settings)
        if not entry.info.exists():
            train(entry, options)
        predict(entry, options, missing_splits(entry, options))


def prepare_process(threads: int, settings: str) -> None:
    """Before anything imports torch: threads, and no network, installs or files elsewhere."""
    os.environ["OMP_NUM_THREADS"] = str(threads)  # else the import sets 1
    os.environ |= {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
    os.environ["YOLO_CONFIG_DIR"] = settings

    import torch
    import ultralytics.utils
    import ultralytics.utils.torch_utils

    # It leaves one core idle by default, and applies this number when it picks a device.
    ultralytics.utils.NUM_THREADS = threads
    ultralytics.utils.torch_utils.NUM_THREADS = threads
    torch.set_num_threads(threads)


def train(entry: Entry, options: argparse.Namespace) -> None:
    """Train into a fresh folder and keep the facts."""
    from ultralytics import YOLO

    entry.clear()
    truths = read_truths(chosen_set(options), ("train", "val"))
    data = write_yolo_set(truths, entry.training / "data")
    watch = Stopwatch()
    facts: dict[str, Any] = {}
    state = backbone_state(options.weights) if options.weights else None
    model = YOLO(str(model_file(options, entry.training)))
    model.add_callback(
        "on_train_start", lambda trainer: check(trainer, truths, state, facts, options)
    )
    model.train(
        trainer=trainer_class(state),
        data=str(data),
        imgsz=options.image_size,
        time=options.minutes / 60,
        epochs=DEFAULT_EPOCHS,
        patience=0,  # use all of the time
        seed=options.seed,
        device=options.device,
        cache="ram",
        pretrained=False,
        plots=False,
        project=str(entry.training.resolve()),
        name="run",
    )
    rows = _rows(entry.training / "run" / "results.csv")
    entry.write_curve(
        Point(float(row["time"]) / 60, float(row["metrics/mAP50-95(B)"])) for row in rows
    )
    facts |= {"train_seconds": float(rows[-1]["time"]), "epochs": len(rows)}
    facts["val_curve"] = "Ultralytics' own AP"
    entry.write_info({**watch.facts(options, PACKAGES), **facts})
    shutil.rmtree(data.parent)


def predict(entry: Entry, options: argparse.Namespace, splits: Iterable[str]) -> None:
    """Write the detections of the epoch that was best on val, with the set's own ids."""
    from ultralytics import YOLO
    from ultralytics.models.yolo.detect import DetectionValidator

    class Exporter(DetectionValidator):  # type: ignore[misc]
        """Collects COCO rows, and leaves the scoring of them to the one scorer."""

        def eval_json(self, stats: dict[str, Any]) -> dict[str, Any]:
            return stats

    for split in splits:
        truth = read_truths(chosen_set(options), [split])[split]
        folder = entry.training / f"data-{split}"
        shutil.rmtree(folder, ignore_errors=True)
        # Train and val must be named in it; only the split asked for is read.
        data = write_yolo_set({"train": truth, "val": truth, split: truth}, folder)
        found: list[dict[str, Any]] = []
        model = YOLO(str(entry.training / "run" / "weights" / "best.pt"))
        model.add_callback(
            "on_val_end", lambda validator, found=found: found.extend(validator.jdict)
        )
        model.val(
            validator=Exporter,
            data=str(data),
            split=split,
            imgsz=options.image_size,
            conf=0.001,
            device=options.device,
            plots=False,
            save_json=True,
            project=str(entry.training.resolve()),
            name=f"predict-{split}",
            exist_ok=True,
        )
        entry.write_predictions(split, to_coco_rows(found, truth))
        shutil.rmtree(folder)
        shutil.rmtree(entry.training / f"predict-{split}")


def to_coco_rows(found: Iterable[Mapping[str, Any]], truth: Truth) -> list[dict[str, Any]]:
    """Ultralytics' rows, whose categories count from 1, with the set's own ids."""
    return [
        {
            "image_id": image_id_of(row["file_name"]),
            "category_id": truth.category_ids[row["category_id"] - 1],
            "bbox": row["bbox"],
            "score": row["score"],
        }
        for row in found
    ]


def model_file(options: argparse.Namespace, folder: Path) -> Path:
    """The model description that Ultralytics is given: its own yolo26n, or ours."""
    if options.contestant == "yolo26n":
        return Path("yolo26n.yaml")  # a name of its own, found inside the package
    file = folder / "yolo11n_on_mobilenet_v2.yaml"
    file.write_text(json.dumps(yolo11n_on_mobilenet_v2()), encoding="utf-8")  # JSON is YAML
    return file


def yolo11n_on_mobilenet_v2() -> dict[str, Any]:
    """yolo11n with torchvision's MobileNetV2 in place of its convolutional trunk.

    The widths and depths are the nano model's, written out. Feature i of torchvision's
    ``features`` is entry i + 1 of the block's list, whose entry 0 is the picture.
    """
    trunk = [
        [-1, 1, "TorchVision", [1280, "mobilenet_v2", None, True, 1, True]],
        [0, 1, "Index", [32, 7]],  # 1: features.6, stride 8
        [0, 1, "Index", [96, 14]],  # 2: features.13, stride 16
        [0, 1, "Index", [1280, 19]],  # 3: features.18, stride 32
        [-1, 1, "SPPF", [256, 5]],
        [-1, 1, "C2PSA", [256]],  # 5: the deepest level
    ]
    neck_and_head = [
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 2], 1, "Concat", [1]],
        [-1, 1, "C3k2", [128, False]],  # 8
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 1], 1, "Concat", [1]],
        [-1, 1, "C3k2", [64, False]],  # 11: stride 8
        [-1, 1, "Conv", [64, 3, 2]],
        [[-1, 8], 1, "Concat", [1]],
        [-1, 1, "C3k2", [128, False]],  # 14: stride 16
        [-1, 1, "Conv", [128, 3, 2]],
        [[-1, 5], 1, "Concat", [1]],
        [-1, 1, "C3k2", [256, True]],  # 17: stride 32
        [[11, 14, 17], 1, "Detect", ["nc"]],
    ]
    return {"nc": 80, "backbone": trunk, "head": neck_and_head}  # nc: the data set's replaces it


def backbone_state(weights: Path) -> dict[str, Any]:
    """The features of a torchvision classifier's state dict, keys from their index on."""
    import torch

    state = torch.load(weights, map_location="cpu", weights_only=True)
    named = {key.removeprefix("features."): value for key, value in state.items()}
    return {key: value for key, value in named.items() if key.partition(".")[0].isdecimal()}


def trainer_class(state: Mapping[str, Any] | None) -> type:
    """Ultralytics' trainer; where a state is given, it fills the backbone of the model it makes.

    Its loader works in the training process, as it chooses on a processor: a picture from memory
    takes it 2 to 3 ms, a training step over 100 ms a picture.
    """
    from ultralytics.models.yolo.detect import DetectionTrainer

    class Trainer(DetectionTrainer):  # type: ignore[misc]
        """Differs from its parent by the backbone's weights."""

        def get_model(self, *arguments: Any, **named: Any) -> Any:
            model = super().get_model(*arguments, **named)
            if state is not None:
                left = model.model[0].m.load_state_dict(state, strict=False)
                print(f"backbone: missing {left.missing_keys}, unexpected {left.unexpected_keys}")
            return model

    return Trainer


def check(
    trainer: Any,
    truths: Mapping[str, Truth],
    state: Mapping[str, Any] | None,
    facts: dict[str, Any],
    options: argparse.Namespace,
) -> None:
    """Before the first step: are these all pictures, these weights, this many threads?"""
    import torch

    for split, loader in (("train", trainer.train_loader), ("val", trainer.test_loader)):
        boxes = sum(len(label["cls"]) for label in loader.dataset.labels)
        expected = truths[split].pictures
        _require(len(loader.dataset) == len(expected), f"{split} has {len(expected)} pictures")
        facts[f"{split}_pictures"], facts[f"{split}_boxes"] = len(expected), boxes
        facts[f"{split}_boxes_of_truth"] = sum(len(picture.boxes) for picture in expected)
    facts["threads"] = torch.get_num_threads()
    facts["workers"] = trainer.train_loader.num_workers
    facts["optimizer"] = type(trainer.optimizer).__name__
    _require(facts["threads"] == options.threads, f"{facts['threads']} threads are used")
    if state is not None:
        for model in (trainer.model, trainer.ema.ema):
            loaded = model.model[0].m.state_dict()
            _require(loaded.keys() == state.keys(), "backbone and file have the same tensors")
            same = all(torch.equal(loaded[key], state[key]) for key in state)
            _require(same, "the backbone's tensors are the file's")
        facts["backbone_tensors_checked"] = len(state)


def _require(truth: bool, what: str) -> None:
    if not truth:
        raise SystemExit(f"error: expected that {what}")


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return [{k.strip(): v for k, v in row.items()} for row in csv.DictReader(lines)]


if __name__ == "__main__":
    main()
