"""The folder in which the blocks of a page are typed, and what is changed in them before.

A page speaks of runs, pictures and films of its reader. Here they are made up and tiny, in a folder
that looks like a clone of the repository:

``my_data``                            16 pictures of 96 px in COCO's layout
``BCCD_Dataset/BCCD``                  the same as Pascal VOC
``photos``, ``labels.json``            its training pictures and their COCO file
``photo.jpg a.jpg b.jpg folder shots`` some of the pictures
``frames``                             eight of them
``film.mp4``                           60 frames of 640x360
``runs/NAME runs/OTHER other``         one small detector, trained once for all pages; in the first
                                       also exported to ONNX
``results.json``                       what it finds, as COCO results
the torch cache                        random weights where torchvision's downloads would lie
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
import yaml
from doc_blocks import ROOT
from PIL import Image
from torchvision.models import get_model
from torchvision_weights import SSDLITE, published_file, untrained, write_weights

from yolokit.api import train
from yolokit.cli.main import main
from yolokit.synthesis.dataset import synthesise

CLONED = ("configs", "constraints.txt", "examples", "tools", "benchmarks")
SMALL = {
    "data.image_size": 64,
    "model.head.width": 16,
    "train.epochs": 1,
}
# What is typed -> what is run, in this order; everything else is run as it stands.
SUBSTITUTIONS = (
    # a shipped config -> the same at 64 px, with a narrower head, for one epoch
    (r"(?<=train )(yolo\w+)\b", r"small/\1.yaml"),
    (r"(?<=train\(\")(yolo\w+)(?=\")", r"small/\1.yaml"),
    # any length of a training -> one epoch
    (r"--time-budget \S+|--epochs \d+", "--epochs 1"),
    (r"time_budget=\"\w+\"|epochs=\d+", "epochs=1"),
    # what a server does not like is no exit status of curl's by itself
    (r"^curl ", "curl --fail-with-body --silent --show-error "),
    # a class that the detector knows
    (r"classes=fish", "classes=disc"),
    # fewer made-up pictures
    (r"--images 80,(24,40|40,200)", "--images 8,4,4"),
    # boxes that a model finds which has learnt -> whatever one finds that has hardly begun
    (r"^(yolokit explain c\w+ (?!.*--(?:box|data)).*)", r"\1 --conf 0.001"),
    (r"(?<=explain\.)(cells\(\"[^\"]+\"|cam\(\"[^\"]+\", \d)\)", r"\1, conf=0.001)"),
    # a picture of the set
    (r"my_data/valid/7\.jpg", "my_data/images/val/000009.jpg"),
    # a larger input -> 64 px
    (r"data\.image_size=\d+", "data.image_size=64"),
)
# What is typed but not run -> why.
NOT_RUN = {
    r"pip install .*": "needs the network, and would change the Python that runs the tests",
    r"git clone .*": "needs the network",
    r"yolokit (detect|track) \S+ 0 --show.*": "needs a camera",
    r"python examples/residual_gradients\.py resnet50.*": "takes minutes and ResNet-50's weights; "
    "examples/test_residual_gradients.py runs it on less",
    r"python examples/backbones_side_by_side\.py .*": "trains seven networks; "
    "examples/test_backbones_side_by_side.py trains one",
    r".*\bhf:USER/.*": "needs the network; tests/hub and models/test_hub_files.py have a hub of "
    "their own",
    r"yolokit train .*model\.head=\{type: toy.*": "needs a head that heads/test_family.py adds",
}
# Operators of the shell: such a line is a process of its own.
_SHELL_SYNTAX = re.compile(r"[|<>;$`]|^(?!yolokit )")


def substituted(text: str) -> str:
    """What is run in place of what is typed."""
    for pattern, instead in SUBSTITUTIONS:
        text = re.sub(pattern, instead, text)
    return text


def why_not_run(command: str) -> str | None:
    """The reason for which a command, or the Python of a block, is left out, if it is."""
    found = (why for pattern, why in NOT_RUN.items() if re.fullmatch(pattern, command, re.DOTALL))
    return next(found, None)


def run_command(command: str) -> int:
    """Type a command in the working directory.

    The ``yolokit`` command runs in this process, unless the line has operators of the shell.

    Returns:
        Its exit status.
    """
    if _SHELL_SYNTAX.search(command):
        return subprocess.run(["bash", "-c", command], check=False).returncode
    return main(shlex.split(command)[1:])


class Servers:
    """What a page starts with ``yolokit serve``, answering until the page is through."""

    typed = "http://127.0.0.1:8000"  # in the pages; here each takes a free port

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []
        self._address = self.typed

    def start(self, command: str) -> None:
        """Type a ``yolokit serve`` command, and wait for the line that says its address."""
        server = subprocess.Popen(
            [*shlex.split(command), "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        self._running.append(server)
        assert server.stdout is not None
        said = next((line for line in server.stdout if line.startswith("serving ")), "")
        found = re.search(r"http://\S+", said)
        assert found, f"{command} says no address"
        self._address = found[0]

    def asked(self, text: str) -> str:
        """A command or script that asks the server that was started last."""
        return text.replace(self.typed, self._address)

    def stop(self) -> None:
        """Ctrl-C to all; each ends in order."""
        for server in self._running:
            server.send_signal(signal.SIGINT)
        assert [server.wait(timeout=60) for server in self._running] == [130] * len(self._running)


def make_place(folder: Path, weights: Path) -> None:
    """Fill a folder that is there with all that pages speak of.

    Args:
        folder: empty.
        weights: becomes ``TORCH_HOME``.
    """
    _write_weights(weights / "hub/checkpoints")
    for name in CLONED:
        (folder / name).symlink_to(ROOT / name)
    _write_small_configs(folder / "small")
    _write_pictures(folder)
    convert = ["data", "convert", str(folder / "my_data"), str(folder / "BCCD_Dataset/BCCD")]
    assert main([*convert, "--to", "voc"]) == 0
    run = train(
        folder / "small/yolo_squeezenet1_1.yaml",
        data=folder / "my_data",
        overrides=["model.backbone.weights=none", "model.head.tower_depth=1"],
        run=folder / "runs/NAME",
        quiet=True,
    )
    shutil.copytree(run, folder / "runs/OTHER")
    assert main(["export", str(run), "--format", "onnx"]) == 0
    (folder / "other").mkdir()
    shutil.copy(run / "model.safetensors", folder / "other")
    found = ["--predictions", str(folder / "results.json")]
    assert main(["eval", str(run), "--data", str(folder / "my_data"), *found]) == 0


def shell_environment(tools: Path) -> Mapping[str, str]:
    """Variables with which a shell finds ``yolokit`` and ``python``.

    Args:
        tools: a folder for both.
    """
    tools.mkdir(exist_ok=True)
    # No links: a linked Python does not find the packages of its virtual environment.
    for name, module in (("python", ""), ("yolokit", "-m yolokit ")):
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n')
        (tools / name).chmod(0o755)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "PYTHONPATH": str(ROOT)}


def _write_small_configs(folder: Path) -> None:
    folder.mkdir()
    for path in (ROOT / "configs").glob("yolo*.yaml"):
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        for key, value in SMALL.items():
            *sections, name = key.split(".")
            section = tree
            for each in sections:
                section = section.setdefault(each, {})
            section[name] = value
        (folder / path.name).write_text(yaml.safe_dump(tree), encoding="utf-8")


def _write_pictures(folder: Path) -> None:
    data = folder / "my_data"
    synthesise(data, images=(8, 4, 4), size_hw=(96, 96), classes=2, video=False)
    synthesise(folder / "film", images=(1, 0, 0), size_hw=(360, 640), classes=2)
    shutil.copytree(data / "images/train", folder / "photos")
    shutil.copy(data / "annotations/instances_train.json", folder / "labels.json")
    (folder / "film/shapes.mp4").rename(folder / "film.mp4")
    shutil.rmtree(folder / "film")
    pictures = sorted((data / "images/val").iterdir())
    for name in ("photo.jpg", "a.jpg", "b.jpg"):
        shutil.copy(pictures[0], folder / name)
    for name in ("folder", "shots"):
        (folder / name).mkdir()
    shutil.copy(pictures[1], folder / "folder")
    shutil.copytree(data / "images/train", folder / "frames")
    Image.open(pictures[2]).save(folder / "shots/1.png")


def _write_weights(checkpoints: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        write_weights(
            checkpoints / published_file("mobilenet_v2"), get_model("mobilenet_v2", weights=None)
        )
    write_weights(checkpoints / published_file(SSDLITE), untrained(SSDLITE))
