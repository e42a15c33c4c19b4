"""Which precision ``auto`` is."""

from __future__ import annotations

import pytest
import torch

from yolokit.engine.devices import choose_precision


@pytest.mark.parametrize(("has", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_auto_is_bf16_on_a_cpu_that_computes_in_it(
    monkeypatch: pytest.MonkeyPatch, has: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has}, raising=False)
    assert choose_precision("auto", "cpu") == expected


def test_auto_is_32_bit_where_torch_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision("auto", "cpu") == choose_precision("auto", "mps") == "32-true"


def test_what_is_asked_for_is_what_is_used() -> None:
    names = [choose_precision(name, "cpu") for name in ("32", "16", "bf16")]
    assert names == ["32-true", "16-mixed", "bf16-mixed"]
