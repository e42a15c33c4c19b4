"""``yolokit env``: what a bug report needs to say about this machine."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib import import_module, metadata
from importlib.util import find_spec

import click

from yolokit._version import __version__

TRAINING = ("torch", "torchvision", "albumentations", "lightning")
ALWAYS = ("cv2", "pycocotools")
DISTRIBUTIONS = (
    "torch",
    "torchvision",
    "lightning",
    "albumentations",
    "pycocotools",
    "hotcoco",
    "simplejpeg",
    "numpy",
    "pydantic",
    "safetensors",
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
    "timm",
    "tensorboard",
    "wandb",
    "mlflow",
    "mlflow-skinny",
    "huggingface-hub",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "trackers",
)


@click.command("env", short_help="Report versions, devices and installation traps.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Report versions, devices and installation traps; exit 1 where something needed is broken."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it asks the network for updates on import
    from yolokit.machine import usable_cpus, usable_memory

    slim, memory = _is_slim(), usable_memory()
    broken = _broken_imports(ALWAYS if slim else (*TRAINING, *ALWAYS))
    report = {
        "yolokit": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "cpus": usable_cpus(),
        "memory": "unknown" if memory is None else f"{memory / 1e9:.1f} GB",
        **_versions(),
    }
    for name, describe in (("cv2", _describe_opencv), ("torch", _describe_torch)):
        if name not in broken and not (slim and name in TRAINING):
            report.update(describe())
    problems = [f"import {name}: {reason}" for name, reason in broken.items()]
    notes = [*_opencv_notes(report), *_slower_notes(report), *_slim_notes(slim)]
    if as_json:
        click.echo(json.dumps({**report, "problems": problems, "notes": notes}, indent=2))
    else:
        width = max(map(len, report))
        for key, value in report.items():
            click.echo(f"{key:<{width}}  {value}")
        for line in [*(f"problem: {text}" for text in problems), *(f"note: {n}" for n in notes)]:
            click.echo(line)
    if broken:
        ctx.exit(1)


def _is_slim() -> bool:
    """Whether none of what training needs is installed: an installation for exported models."""
    return not any(find_spec(name) for name in TRAINING)


def _broken_imports(names: Sequence[str]) -> dict[str, str]:
    """Needed modules that do not import, with the reason."""
    broken = {}
    for name in names:
        try:
            import_module(name)
        except Exception as error:  # a report says what is broken, whatever broke it
            broken[name] = " ".join(f"{type(error).__name__}: {error}".split())
    return broken


def _versions() -> dict[str, str]:
    versions = {}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _describe_opencv() -> dict[str, str]:
    cv2 = import_module("cv2")
    build: dict[str, str] = {}
    for line in cv2.getBuildInformation().splitlines():
        key, colon, value = line.strip().partition(":")
        if colon:
            build.setdefault(key, value.strip())
    return {
        "cv2": f"{cv2.__version__} ({cv2.__file__})",
        "cv2 windows": build.get("GUI", "NONE").replace("NONE", "none"),
        "cv2 ffmpeg": build.get("FFMPEG") or "NO",
    }


def _describe_torch() -> dict[str, str]:
    torch = import_module("torch")
    devices = [
        f"cuda:{index} {torch.cuda.get_device_name(index)}"
        for index in range(torch.cuda.device_count())
    ]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return {
        "cuda": str(torch.version.cuda),
        "devices": ", ".join([*devices, "cpu"]),
        "torch threads": str(torch.get_num_threads()),
        "cpu capability": torch.backends.cpu.get_cpu_capability(),
        "weights cache": f"{torch.hub.get_dir()}/checkpoints",
    }


def _opencv_notes(report: dict[str, object]) -> list[str]:
    """What to know where several builds of OpenCV own the one folder ``cv2``."""
    builds = [name for name in report if name.startswith("opencv-")]
    if len(builds) < 2:
        return []
    note = f"{' and '.join(builds)} share the folder cv2; the one installed last is in use"
    if str(report.get("cv2 windows", "")).startswith("none"):
        note += ". For windows: pip install --force-reinstall --no-deps opencv-python"
    return [note]


def _slower_notes(report: dict[str, object]) -> list[str]:
    """What takes longer here, its result the same, for want of a package."""
    notes = {
        "hotcoco": "without hotcoco, pycocotools counts: the same AP, slowly. pip install hotcoco",
        "simplejpeg": "without simplejpeg, Pillow decodes JPEGs: the same pixels, in twice the "
        "time. pip install simplejpeg",
    }
    return [note for name, note in notes.items() if name not in report]


def _slim_notes(slim: bool) -> list[str]:
    if not slim:
        return []
    return ["without PyTorch, exported models run; training and model.safetensors need all of it"]
