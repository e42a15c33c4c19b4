"""Which accelerator, how many processes, which precision."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

import torch

from yolokit.errors import ConfigError
from yolokit.inference.bf16 import computes_bf16

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]  # the trainer's names
PrecisionName = Literal["32", "16", "bf16"]  # the config's


@dataclass(frozen=True)
class Placement:
    """Where a training runs, in the trainer's words.

    Args:
        accelerator: "cpu", "cuda" or "mps".
        devices: how many processes of this machine, or which GPUs.
        num_nodes: machines.
        world_size: processes in all.
    """

    accelerator: str
    devices: int | list[int]
    num_nodes: int = 1

    @property
    def world_size(self) -> int:
        """Processes in all."""
        count = self.devices if isinstance(self.devices, int) else len(self.devices)
        return count * self.num_nodes


def place(device: str) -> Placement:
    """Read ``--device``: auto, cpu, cuda, mps, or GPU numbers such as ``0,1``.

    Under ``torchrun`` there are as many processes as it started.

    Raises:
        ConfigError: no such device here.
    """
    accelerator, devices = _accelerator(device)
    if "TORCHELASTIC_RUN_ID" in os.environ:
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return Placement(accelerator, local, int(os.environ["WORLD_SIZE"]) // local)
    return Placement(accelerator, devices)


def choose_precision(wanted: PrecisionName | Literal["auto"], accelerator: str) -> Precision:
    """The trainer's name of a precision."""
    names: dict[str, Precision] = {"32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}
    return names[fastest_precision(accelerator) if wanted == "auto" else wanted]


def fastest_precision(accelerator: str) -> PrecisionName:
    """The precision an accelerator has instructions for: what it only emulates is slow.

    On a GPU bf16 (Ampere and later), else 16 bits with a scaled loss (Turing, Volta); on a CPU
    bf16 where it is the faster one too (see ``bf16_pays``), else 32 bits; on mps 32 bits.
    """
    if accelerator == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "16"
    if accelerator == "cpu":
        return "bf16" if computes_bf16() else "32"
    return "32"


def is_scored_in_bf16(device: torch.device) -> bool:
    """Whether a training there ends with a score in bfloat16: where one detects faster so."""
    return device.type == "cpu" and computes_bf16()


def _accelerator(device: str) -> tuple[str, int | list[int]]:
    has = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if has[name]), 1
    if device in has:
        if not has[device]:
            raise ConfigError(f"no {device} device here. Use --device cpu or auto")
        return device, 1
    try:
        numbers = [int(part) for part in device.split(",")]
    except ValueError:
        raise ConfigError(
            f"unknown device {device!r}. Use auto, cpu, cuda, mps, or GPU numbers such as 0,1"
        ) from None
    count = torch.cuda.device_count()
    missing = [number for number in numbers if not 0 <= number < count]
    if missing:
        raise ConfigError(f"no GPU {missing[0]} here ({count} found). Use --device auto")
    return "cuda", numbers
