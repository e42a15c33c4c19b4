"""Small detectors of every head, and a small data set of made-up photos."""

from __future__ import annotations

from pathlib import Path

import pytest

from yolokit.synthesis.dataset import synthesise


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six training photos and three of val, labelled, of the classes that the models know."""
    folder = tmp_path_factory.mktemp("photos") / "set"
    synthesise(folder, images=(6, 3, 0), size_hw=(96, 128), classes=3, video=False)
    return folder
