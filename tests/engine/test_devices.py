"""Which precision ``auto`` is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from yolokit.engine.devices import choose_precision
from yolokit.inference import bf16


@pytest.mark.parametrize(
    ("has", "pays", "expected"),
    [(True, True, "bf16-mixed"), (True, False, "32-true"), (False, True, "32-true")],
)
def test_auto_is_bf16_on_a_cpu_that_is_fast_in_it(
    monkeypatch: pytest.MonkeyPatch, has: bool, pays: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has}, raising=False)
    monkeypatch.setattr(bf16, "bf16_pays", lambda: pays)
    assert choose_precision("auto", "cpu") == expected


def test_auto_is_32_bit_where_torch_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision("auto", "cpu") == choose_precision("auto", "mps") == "32-true"


@pytest.mark.parametrize(
    ("name", "capability", "expected"),
    [
        ("V100", (7, 0), "16-mixed"),
        ("T4", (7, 5), "16-mixed"),
        ("A100", (8, 0), "bf16-mixed"),
        ("H100", (9, 0), "bf16-mixed"),
    ],
)
def test_auto_on_a_gpu_is_what_it_has_instructions_for(
    monkeypatch: pytest.MonkeyPatch, name: str, capability: tuple[int, int], expected: str
) -> None:
    """torch's own query runs; the device that it asks is a stand-in that can hold bf16 numbers."""
    properties = SimpleNamespace(name=name, major=capability[0], minor=capability[1])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device=None: properties)
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda device: True)
    assert choose_precision("auto", "cuda") == expected


def test_what_is_asked_for_is_what_is_used() -> None:
    assert choose_precision("32", "cpu") == "32-true"
    assert choose_precision("16", "cpu") == "16-mixed"
    assert choose_precision("bf16", "cpu") == "bf16-mixed"
