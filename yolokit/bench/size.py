"""How large a model is: its network, and its memory while it detects."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from yolokit.inference.backend import Card
from yolokit.inference.exported import ComputePrecision
from yolokit.inference.predictor import Predictor
from yolokit.models.network_size import NetworkSize, size_of

_PICTURE_HW = (480, 640)  # for a network that takes pictures as they are
_RUNS = 2  # the second one finds what the first one left allocated


def network_size(model: Path, card: Card) -> NetworkSize | None:
    """The size of a network as it was trained, nothing folded, in whatever format it is now.

    Args:
        model: its file.
        card: what that says about itself.

    Returns:
        None of a file that an older yolokit exported, and of a network that takes pictures as
        they are: its operations depend on the picture.

    Raises:
        WeightsError: see ``load_model``.
    """
    if card.export is not None:
        return card.export.size
    if card.image_hw is None:
        return None
    from yolokit.models.model_file import load_model

    detector, _ = load_model(model)
    return size_of(detector, card.image_hw)


def peak_memory(
    model: Path, *, device: str, batch_size: int, precision: ComputePrecision = "auto"
) -> float | None:
    """Megabytes (10^6 bytes) that a process needs at most which loads a model and detects with it.

    The process is started for this. Memory of a GPU is not counted.

    Returns:
        None where the system does not tell, or the process fails.
    """
    command = [sys.executable, "-m", __name__, str(model), device, precision, str(batch_size)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    try:
        return float(done.stdout) if done.returncode == 0 else None
    except ValueError:
        return None


def _own_peak() -> float | None:
    """Megabytes; of this program alone, where the process's number may be that of its parent."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        (line,) = (each for each in status.splitlines() if each.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    except (OSError, ValueError):
        pass
    if sys.platform != "darwin":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _detect(model: str, device: str, precision: ComputePrecision, batch_size: str) -> None:
    predictor = Predictor.load(model, device=device, precision=precision)
    grey = np.full((*(predictor.image_hw or _PICTURE_HW), 3), 127, dtype=np.uint8)
    for _ in range(_RUNS):
        predictor.predict_images([grey] * int(batch_size))
    if (peak := _own_peak()) is not None:
        print(peak)


if __name__ == "__main__":
    _detect(*sys.argv[1:])  # type: ignore[arg-type]
