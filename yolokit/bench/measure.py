"""Everything about some models on this machine, measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from yolokit._version import __version__
from yolokit.bench.machine_rate import MatrixRate, matrix_rate
from yolokit.bench.pictures import BenchPictures
from yolokit.bench.size import network_size, peak_memory
from yolokit.bench.timing import ModelTimes, time_models
from yolokit.errors import WeightsError
from yolokit.inference.exported import ComputePrecision
from yolokit.inference.predictor import Predictor
from yolokit.machine import usable_cpus
from yolokit.models.hub_files import local_model
from yolokit.models.hub_name import hub_name
from yolokit.models.network_size import NetworkSize
from yolokit.models.torchvision_name import torchvision_name

_BUSY = 0.5  # of the processors, from which on others slow down what is measured


class MeasuredModel(NamedTuple):
    """One model on this machine.

    Args:
        name: as it was given.
        image_hw: its input's (height, width) in pixels; None: pictures as they are.
        runs_on: library and device.
        times: see ``time_models``.
        size: see ``network_size``.
        peak_mb: see ``peak_memory``.
    """

    name: str
    image_hw: tuple[int, int] | None
    runs_on: str
    times: ModelTimes
    size: NetworkSize | None
    peak_mb: float | None

    @property
    def pictures_per_second(self) -> float:
        """At the median time."""
        return 1000 / self.times.whole.p50

    @property
    def gflop_per_second(self) -> float | None:
        """Of the network alone, at its median time."""
        return self.size and self.size.gflops * 1000 / self.times.parts["network"].p50


class Measured(NamedTuple):
    """Models beside each other.

    Args:
        models: in the order given; ratios are to the first.
        rate: of matrix products on the first model's device.
        processor: its name; cpus: how many threads can compute at once.
        load: processes that wanted a processor in the minute before; None where unknown.
    """

    models: list[MeasuredModel]
    rate: MatrixRate
    pictures: str
    batch_size: int
    processor: str
    cpus: int
    load: float | None

    @property
    def is_busy(self) -> bool:
        """Whether others were computing here too."""
        return self.load is not None and self.load > _BUSY * self.cpus

    def to_dict(self) -> dict[str, Any]:
        """What ``bench --json`` writes; what is not known is None."""
        return {
            "yolokit": __version__,
            "machine": {
                "processor": self.processor,
                "cpus": self.cpus,
                "load": self.load,
                "matrix_gflop_per_second": self.rate._asdict(),
            },
            "pictures": self.pictures,
            "batch_size": self.batch_size,
            "models": [_as_dict(model, self.rate) for model in self.models],
        }


def require_models(paths: Sequence[Path]) -> None:
    """Refuse paths that lead nowhere, before anything is loaded.

    Raises:
        WeightsError: nothing there, or a name that torchvision does not know.
    """
    for path in paths:
        if torchvision_name(path) is None and hub_name(path) is None and not path.exists():
            raise WeightsError(
                f"no model at {path}. Give a model.safetensors, a run folder or an exported model"
            )


def measure(
    paths: Sequence[Path],
    pictures: BenchPictures,
    *,
    batch_size: int,
    device: str,
    precision: ComputePrecision = "auto",
    enough: Callable[[int, float], bool],
) -> Measured:
    """Load some models and measure them, in turn.

    Args:
        paths: the models, at least one.
        pictures, batch_size, enough: see ``time_models``.
        device, precision: see ``Predictor.load``.

    Raises:
        WeightsError: a model cannot be loaded, or its outputs are not numbers.
        ConfigError: no such device here.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    files = [local_model(path) for path in paths]
    predictors = [Predictor.load(file, device=device, precision=precision) for file in files]
    times = time_models(predictors, pictures, batch_size=batch_size, enough=enough)
    models = [
        MeasuredModel(
            name=str(path),
            image_hw=predictor.image_hw,
            runs_on=predictor.backend.description,
            times=each,
            size=network_size(file, predictor.card),
            peak_mb=peak_memory(file, device=device, precision=precision, batch_size=batch_size),
        )
        for path, file, predictor, each in zip(paths, files, predictors, times, strict=True)
    ]
    return Measured(
        models=models,
        rate=matrix_rate(predictors[0].device),
        pictures=pictures.described,
        batch_size=batch_size,
        processor=_processor(),
        cpus=usable_cpus(),
        load=load,
    )


def _as_dict(model: MeasuredModel, rate: MatrixRate) -> dict[str, Any]:
    speed = model.gflop_per_second
    return {
        "model": model.name,
        "image_hw": model.image_hw and list(model.image_hw),
        "runs_on": model.runs_on,
        "runs": model.times.runs,
        "ms": {
            "whole": model.times.whole._asdict(),
            **{part: spread._asdict() for part, spread in model.times.parts.items()},
        },
        "ratio": model.times.ratio,
        "pictures_per_second": model.pictures_per_second,
        "parameters": model.size and model.size.parameters,
        "gflops": model.size and model.size.gflops,
        "gflop_per_second": speed,
        "share_of_fp32": speed and speed / rate.fp32,
        "share_of_bf16": speed and rate.bf16 and speed / rate.bf16,
        "peak_mb": model.peak_mb,
    }


def _processor() -> str:
    """The name on the box, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except (OSError, UnicodeDecodeError):
        names = []
    return (names or [platform.processor() or platform.machine()])[0]
