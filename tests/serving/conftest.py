"""One server for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from served import Served, cells_model, serving

from yolokit.inference.predictor import Predictor


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose boxes are cells and whose scores are their colours."""
    return cells_model(tmp_path_factory.mktemp("cells") / "cells.onnx")


@pytest.fixture(scope="module")
def predictor(cells: Path) -> Predictor:
    """The same, loaded."""
    return Predictor.load(cells)


@pytest.fixture(scope="module")
def served(cells: Path) -> Iterator[Served]:
    """A server of it, with the usual limits."""
    with serving(Predictor.load(cells)) as running:
        yield running
