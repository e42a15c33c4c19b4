"""Fixtures for the whole suite."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever reads the real photos carries the marker ``real``."""
    for item in items:
        if "real_root" in getattr(item, "fixturenames", ()):
            item.add_marker("real")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The source checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_root() -> Path:
    """The folder of real photos, weights and reference numbers; skips where it is absent."""
    root = Path(os.environ.get("YOLOKIT_REAL_DATA") or REPOSITORY.parent / "shared")
    if not (root / "data").is_dir():
        pytest.skip(f"no real photos in {root}: set YOLOKIT_REAL_DATA (see CONTRIBUTING.md)")
    return root
