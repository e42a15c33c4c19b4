"""Operations against a count by hooks, memory of a real process, the machine's rate."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from yolokit.bench.machine_rate import matrix_rate
from yolokit.bench.size import network_size, peak_memory
from yolokit.models.model_file import load_model


def counted_by_hooks(model: Path) -> float:
    """Two for each multiplication of each convolution, as its output's shape tells."""
    detector, card = load_model(model)
    total = 0.0

    def add(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        kernel = module.kernel_size[0] * module.kernel_size[1]
        total += 2 * output.numel() * kernel * module.in_channels / module.groups

    for module in detector.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(add)
    with torch.no_grad():
        detector(torch.zeros(1, 3, *card.image_hw, dtype=torch.uint8))
    return total


def test_parameters_and_operations(tiny_model: Path) -> None:
    detector, card = load_model(tiny_model)
    size = network_size(tiny_model, card)
    assert size is not None
    assert size.parameters == sum(each.numel() for each in detector.parameters())
    assert size.gflops == pytest.approx(counted_by_hooks(tiny_model) / 1e9)


@pytest.mark.slow  # a process that loads torch
def test_memory_is_that_of_a_process_of_its_own(tiny_model: Path) -> None:
    peak = peak_memory(tiny_model, device="cpu", batch_size=1)
    assert peak is not None and 50 < peak < 10_000  # torch alone takes a few hundred


def test_the_machines_rate() -> None:
    rate = matrix_rate(seconds=0.001)
    assert rate.fp32 > 0 and rate.bf16 is not None and rate.bf16 > 0
    assert rate.library == f"torch {torch.__version__}"


def test_the_rate_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    rate = matrix_rate(seconds=0.001)
    assert rate.fp32 > 0 and rate.bf16 is None and rate.library.startswith("numpy ")
