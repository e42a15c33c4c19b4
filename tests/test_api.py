"""A Python program that trains and scores is left as it was."""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import yolokit
from yolokit.errors import YolokitError
from yolokit.synthesis.dataset import synthesise

TINY = (
    "model.backbone.weights=none",
    "data.image_size=64",
    "train.epochs=1",
    "train.batch_size=4",
    "train.workers=0",
)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight tiny training pictures, four to validate on."""
    folder = tmp_path_factory.mktemp("shapes") / "set"
    synthesise(folder, images=(8, 4, 2), size_hw=(64, 64), classes=2, seed=5, video=False)
    return folder


def process_state() -> dict[str, Any]:
    """Everything of this process that a library may not change for its caller."""
    mask = os.umask(0)
    os.umask(mask)
    loggers = logging.root.manager.loggerDict
    return {
        "handlers": {each: signal.getsignal(each) for each in signal.valid_signals()},
        "random": random.getstate(),
        "numpy": [np.asarray(part).tolist() for part in np.random.get_state()],
        "torch": torch.get_rng_state().tolist(),
        "filters": list(warnings.filters),
        "levels": {name: getattr(each, "level", None) for name, each in loggers.items()},
        "environment": dict(os.environ),
        "umask": mask,
        "threads": (torch.get_num_threads(), cv2.getNumThreads()),
        "dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "folder": Path.cwd(),
    }


def test_a_program_is_the_same_after_training_and_scoring(shapes: Path, tmp_path: Path) -> None:
    yolokit.train("quickstart", data=shapes, run=tmp_path / "first", overrides=TINY, device="cpu")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # any of the program's own
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    try:
        before = process_state()
        run = yolokit.train(
            "quickstart", data=shapes, run=tmp_path / "run", overrides=TINY, device="cpu"
        )
        assert process_state() == before
        yolokit.evaluate(run, data=shapes, device="cpu")
        assert process_state() == before
        with pytest.raises(YolokitError):
            yolokit.train("quickstart", data=shapes, run=run, overrides=TINY, device="cpu")
        assert process_state() == before
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_training_works_outside_the_main_thread(shapes: Path, tmp_path: Path) -> None:
    def work() -> None:
        yolokit.train("quickstart", data=shapes, run=tmp_path / "run", overrides=TINY, device="cpu")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert (tmp_path / "run/model.safetensors").is_file()
    assert (tmp_path / "run/report.html").is_file()
