"""Programs of the system that some tests need, and skip without."""

from __future__ import annotations

import shutil

import pytest

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def ffmpeg_here() -> str:
    """An ``ffmpeg`` that writes H.264, else the test is skipped."""
    from yolokit.video.ffmpeg import find_ffmpeg

    program = find_ffmpeg()
    if program is None:
        pytest.skip("no ffmpeg with libx264 on the PATH")
    return program


def chromium_here() -> str:
    """A Chromium, else the test is skipped."""
    found = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if found is None:
        pytest.skip(f"no Chromium ({', '.join(_CHROMIUM)}) on the PATH")
    return found
