"""Words of other detectors' commands, and what they are called here: one line, nothing is run.

Ultralytics' (``yolo train data=coco.yaml imgsz=640``, YOLOv5's ``--img``), torchvision's and
DETR's reference scripts (``--data-path``, ``--lr``).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

_CONFIG = "yolo_mobilenet_v2"
_COMMANDS = {  # their command -> ours
    **dict.fromkeys(("predict", "infer", "inference", "test_image", "demo"), "detect"),
    **dict.fromkeys(("follow", "mot"), "track"),
    **dict.fromkeys(("val", "validate", "valid", "test", "evaluate", "evaluation"), "eval"),
    **dict.fromkeys(("fit", "finetune", "fine-tune"), "train"),
    **dict.fromkeys(("benchmark", "profile", "speed"), "bench"),
    **dict.fromkeys(("checks", "info", "settings"), "env"),
    **dict.fromkeys(("check", "stats", "preview", "split", "convert"), "data"),
    **dict.fromkeys(("version",), "--version"),
    **dict.fromkeys(("help",), "--help"),
}
_TASKS = ("detect", "segment", "classify", "pose", "obb")  # Ultralytics' first word
_SHOWN_AS = {
    "train": f"yolokit train {_CONFIG} --data my_data",
    "eval": "yolokit eval MODEL --data my_data",
    "detect": "yolokit detect MODEL SOURCE",
    "track": "yolokit track MODEL SOURCE",
    "export": "yolokit export MODEL --format onnx",
    "bench": "yolokit bench MODEL",
}
_ALIASES = {  # other names of one thing -> the name it has below
    **dict.fromkeys(("img", "img-size", "image-size", "imagesize", "input-size"), "imgsz"),
    **dict.fromkeys(("batch-size", "bs"), "batch"),
    **dict.fromkeys(("weights", "checkpoint", "ckpt", "pretrained", "pretrained-weights"), "model"),
    **dict.fromkeys(("cfg", "config", "config-file", "hyp"), "cfg"),
    **dict.fromkeys(("name", "project", "output-dir", "output", "save-dir", "out-dir"), "name"),
    **dict.fromkeys(("data-path", "data-dir", "coco-path", "dataset", "dataset-dir"), "data"),
    **dict.fromkeys(("conf-thres", "conf-threshold", "score-threshold", "confidence"), "conf"),
    **dict.fromkeys(("iou-thres", "iou-threshold", "nms-threshold", "nms"), "iou"),
    **dict.fromkeys(("lr0", "learning-rate"), "lr"),
    **dict.fromkeys(("num-workers", "j"), "workers"),
    **dict.fromkeys(("gpu", "gpus"), "device"),
    **dict.fromkeys(("view-img", "view"), "show"),
    **dict.fromkeys(("nc", "num-classes"), "classes-count"),
    **dict.fromkeys(("input", "image", "img-path"), "source"),
    **dict.fromkeys(("include", "export-format"), "format"),
}
_LEAVE_OUT = "leave it out"
_NO_FILES = "--no-save-images --no-save-video"
_OFF = ("false", "0", "none")
_OWN_SIZE = f"{_LEAVE_OUT}: a model brings its input size"
_Meaning = Mapping[str, tuple[str, str]]  # their name -> (ours with {} for the value, an example)
_TRAIN: _Meaning = {
    "imgsz": ("-o data.image_size={}", "640"),
    "batch": ("-o train.batch_size={}", "16"),
    "epochs": ("--epochs {}", "100"),
    "data": ("--data {}", "my_data"),
    "device": ("--device {}", "0"),
    "workers": ("--workers {}", "2"),
    "seed": ("--seed {}", "0"),
    "name": ("--run {}", "runs/NAME"),
    "cfg": ("the argument CONFIG, a YAML file or a shipped name such as {}", _CONFIG),
    "model": ("--from {}, to begin with a model of yours", "MODEL"),
    "backbone": ("-o model.backbone.name={}", "resnet50"),
    "freeze": ("-o model.backbone.trainable_stages={}, how many learn", "2"),
    "lr": ("-o train.lr={}", "0.001"),
    "lrf": ("-o train.final_lr_factor={}", "0.01"),
    "weight-decay": ("-o train.weight_decay={}", "0.01"),
    "optimizer": ("-o train.optimizer={}", "adamw"),
    "patience": ("-o train.early_stopping={}", "20"),
    "cache": ("-o data.cache={}", "ram"),
    "rect": ("-o data.rectangular={}", "true"),
    "amp": ("-o train.precision={}", "16"),
    "half": ("-o train.precision={}", "16"),
    "mosaic": ("-o augment.mosaic={}", "0.5"),
    "fliplr": ("-o augment.hflip={}", "0.5"),
    "flipud": ("-o augment.vflip={}", "0.5"),
    "degrees": ("-o augment.rotate={}", "10"),
    "multi-scale": ("-o augment.multi_scale={}", "0.5"),
    "time": ("--time-budget {}h", "1"),
    "classes-count": (f"{_LEAVE_OUT}: classes are read from the data", ""),
    "exist-ok": (f"{_LEAVE_OUT}: a run's folder is never used again", ""),
}
_EVAL: _Meaning = {
    "model": ("the first argument, {}", "MODEL"),
    "data": ("--data {}", "my_data"),
    "imgsz": (_OWN_SIZE, ""),
    "batch": ("--batch-size {}", "16"),
    "device": ("--device {}", "cpu"),
    "workers": ("--workers {}", "2"),
    "split": ("--split {}", "val"),
    "task": ("--split {}", "val"),
    "save-json": ("--predictions {}", "results.json"),
    "conf": ("--conf {}", "0.25"),
    "iou": (f"{_LEAVE_OUT}: a model brings its own", ""),
    "name": (f"{_LEAVE_OUT}: numbers are printed, and written with --json FILE", ""),
}
_DETECT: _Meaning = {
    "model": ("the first argument, {}", "MODEL"),
    "source": ("an argument after MODEL: {}", "photo.jpg"),
    "conf": ("--conf {}", "0.25"),
    "iou": ("--iou {}", "0.65"),
    "max-det": ("--max-objects {}", "100"),
    "device": ("--device {}", "cpu"),
    "classes": ("--classes {}", "NAME,..."),
    "imgsz": (_OWN_SIZE, ""),
    "batch": (_LEAVE_OUT, ""),
    "name": ("--out {}", "DIR"),
    "show": ("--show", ""),
    "nosave": (_NO_FILES, ""),
    "save-txt": ("--save-txt", ""),
    "save-crop": ("--save-crops", ""),
    "line-width": ("--line-width {}", "3"),
    "save": (f"{_LEAVE_OUT}: what was found is drawn and saved, but for {_NO_FILES}", ""),
    "exist-ok": (f"{_LEAVE_OUT}: --out never overwrites", ""),
    "half": (f"{_LEAVE_OUT}: 16 bits are used where they are faster", ""),
}
_TRACK: _Meaning = {
    **{name: meaning for name, meaning in _DETECT.items() if name != "save-crop"},
    "save-txt": ("--save-mot", ""),
    "nosave": ("--no-save-video", ""),
    "save": (f"{_LEAVE_OUT}: the film is drawn and saved, but for --no-save-video", ""),
    "source": ("an argument after MODEL: {}", "film.mp4"),
    "tracker": ("--tracker bytetrack", ""),
    "persist": (f"{_LEAVE_OUT}: numbers are kept through a film", ""),
}
_EXPORT: _Meaning = {
    "model": ("the first argument, {}", "MODEL"),
    "format": ("--format {}", "onnx"),
    "data": ("--data {}", "my_data"),
    "int8": ("--int8", ""),
    "half": ("--half", ""),
    "dynamic": ("--dynamic", ""),
    "nms": ("--nms", ""),
    "iou": ("--nms, which uses the model's own threshold", ""),
    "imgsz": (_OWN_SIZE, ""),
    "batch": ("--dynamic, for any number of pictures", ""),
    "simplify": (_LEAVE_OUT, ""),
    "opset": (_LEAVE_OUT, ""),
    "name": ("--out {}", "FILE"),
}
_BENCH: _Meaning = {
    "model": ("an argument, {}", "MODEL"),
    "data": ("--data {}", "my_data"),
    "batch": ("--batch {}", "1"),
    "device": ("--device {}", "cpu"),
    "imgsz": (_OWN_SIZE, ""),
}
_OF_COMMAND = {
    "train": _TRAIN,
    "eval": _EVAL,
    "detect": _DETECT,
    "track": _TRACK,
    "export": _EXPORT,
    "bench": _BENCH,
}


def command_here(word: str) -> str | None:
    """What to type instead of a command that others have; None for a word that nobody has."""
    ours = _COMMANDS.get(word.lower())
    if ours is None:
        return None
    shown = f"yolokit data {word.lower()} my_data" if ours == "data" else f"yolokit {ours}"
    return f"no command {word!r}. Here: {_SHOWN_AS.get(ours, shown)}"


def option_here(command: str, option: str) -> str | None:
    """What an option of others is called in one of our commands; None for one nobody has."""
    name = _name(option.lstrip("-").partition("=")[0])
    if name not in _OF_COMMAND.get(command, {}):
        return None
    ours, example = _OF_COMMAND[command][name]
    return f"no option {option}. Here: {ours.format(example)}"


def settings_here(words: Sequence[str]) -> str | None:
    """The whole command that settings without dashes stand for; None where there are none.

    Args:
        words: of the command line, ``["detect", "train", "data=coco.yaml", "epochs=9"]``.
    """
    settings = dict(_setting(word) for word in words if _is_setting(word))
    if not settings:
        return None
    plain = [word for word in words[:2] if not _is_setting(word)]
    if len(plain) == 2 and plain[0] in _TASKS and plain[1] in {*_OF_COMMAND, *_COMMANDS}:
        plain = plain[1:]
    mode = settings.pop("mode", plain[0] if plain else "train")
    if settings.get("task") in _TASKS:
        del settings["task"]
    if settings.pop("save", "true").lower() in _OFF:
        settings["nosave"] = "true"
    command = _COMMANDS.get(mode, mode)
    if command not in _OF_COMMAND:
        return None
    first = next(iter(word for word in words if _is_setting(word)))
    return f"{first!r} is no option. Here: {_written_here(command, settings)}"


def foreign_model(command: str, words: Sequence[str]) -> str | None:
    """What to do about a ``.pt`` file where a model is wanted; None where there is none.

    Args:
        command: of ours.
        words: that follow it.
    """
    if command not in _OF_COMMAND:
        return None
    for word in words:
        if word.lower().endswith(".pt") and "=" not in word and ":" not in word:
            return (
                f"{word} is not a model of yolokit: .pt files of Ultralytics or PyTorch are not "
                f"read. Train one: {_SHOWN_AS['train']}; then give its model.safetensors"
            )
    return None


def _written_here(command: str, settings: Mapping[str, str]) -> str:
    """Our command of their settings; what has no counterpart is left out."""
    model = settings.get("model", "")
    known = model and not model.lower().endswith((".pt", ".yaml"))
    words = ["yolokit", command]
    words.append(_CONFIG if command == "train" else shlex.quote(model) if known else "MODEL")
    if command in ("detect", "track"):
        words.append(shlex.quote(settings.get("source", "SOURCE")))
    for name, value in settings.items():
        ours, _ = _OF_COMMAND[command].get(name, ("", ""))
        is_off = "{}" not in ours and value.lower() in _OFF
        if ours.startswith("-") and not is_off and not (command == "train" and name == "model"):
            words.append(ours.partition(",")[0].format(shlex.quote(value)))
    return " ".join(words)


def _is_setting(word: str) -> bool:
    key, equals, _ = word.partition("=")
    known = {name for table in _OF_COMMAND.values() for name in table} | {"mode"}
    return bool(equals) and _name(key) in known and "-" not in key[:1] and not Path(word).exists()


def _setting(word: str) -> tuple[str, str]:
    key, _, value = word.partition("=")
    return _name(key), value


def _name(key: str) -> str:
    plain = key.lower().replace("_", "-")
    return _ALIASES.get(plain, plain)
