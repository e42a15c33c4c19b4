"""From a path to a network that is ready: which backend runs it is what the file is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from yolokit.errors import ConfigError, WeightsError
from yolokit.inference.backend import Backend, Card
from yolokit.inference.exported import ComputePrecision
from yolokit.models.export_record import exported_file
from yolokit.models.hub_files import local_model
from yolokit.models.model_path import card_of
from yolokit.models.torchvision_name import PREFIX, TorchvisionName, torchvision_name


def load_backend(
    path: Path, device: str = "auto", precision: ComputePrecision = "auto"
) -> tuple[Backend, Card]:
    """A model on a device, and its card.

    Args:
        path: a ``model.safetensors`` or a run folder; a ``.onnx`` file; an OpenVINO folder or its
            ``model.xml``; ``torchvision:NAME`` or ``torchvision:NAME=FILE``; ``hf:USER/NAME``.
        device: ``auto``, ``cpu``, ``cuda``, …: what this kind of file can be run on.
        precision: ``f32`` computes in 32 bits even where fewer are faster, ``bf16`` in bfloat16
            even where AP was not found to stay; ``auto`` as each kind of model has it.

    Raises:
        WeightsError: missing, damaged, or no model of yolokit's; ``HubError`` of the hub's.
        ConfigError: no such device here, the library is not installed, or no such precision.
    """
    if precision not in get_args(ComputePrecision):
        raise ConfigError(f"precision must be auto, f32 or bf16, got {precision!r}")
    if (published := torchvision_name(path)) is not None:
        if precision == "bf16":
            raise ConfigError(f"{path} is not computed in bf16. Leave the precision out")
        return _load_torchvision(published, device)
    path = local_model(path)
    exported = exported_file(path)
    if exported is None:
        return _load_torch(path, device, precision)
    kind, file = exported
    if not file.is_file():
        raise WeightsError(f"no model file {file}. Give an exported model, or model.safetensors")
    if kind == "onnx":
        from yolokit.inference.onnx_backend import load_onnx

        return load_onnx(file, device, precision)
    from yolokit.inference.openvino_backend import load_openvino

    return load_openvino(file, device, precision)


def scoring_precision(path: Path, precision: ComputePrecision) -> ComputePrecision:
    """What to load a model with to score it: a training's model in 32 bits, if nothing else is
    said, so that its AP is the same on every machine; an export as it really runs.

    Args:
        path: as ``local_model`` gives it.
        precision: what was asked for.
    """
    return "f32" if precision == "auto" and exported_file(path) is None else precision


def _load_torch(path: Path, device: str, precision: ComputePrecision) -> tuple[Backend, Card]:
    if not path.exists():
        raise WeightsError(f"no model file {path}. Give the model.safetensors of a run")
    if find_spec("torch") is not None:  # else that is what is wrong
        card_of(path)  # refuses what is no model of ours, before torch is imported
    otherwise = ", or export the model where PyTorch is: yolokit export"
    with _needing_torch(str(path), otherwise):
        from yolokit.inference.torch_backend import load_torch
    return load_torch(path, device, precision)


def _load_torchvision(published: TorchvisionName, device: str) -> tuple[Backend, Card]:
    with _needing_torch(f"{PREFIX}{published.detector}", ""):
        from yolokit.inference.torchvision_backend import load_torchvision
    return load_torchvision(published, device)


@contextmanager
def _needing_torch(what: str, otherwise: str) -> Iterator[None]:
    """Say what is missing where an import of torch's backends fails."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchvision", "safetensors"):
            raise
        raise ConfigError(
            f"{what} needs PyTorch, which is not installed here. Install yolokit with all it "
            f"requires{otherwise}"
        ) from error
