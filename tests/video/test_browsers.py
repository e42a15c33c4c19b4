"""What ``yolokit detect`` writes of a film plays in Chromium, or is said not to."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from programs import chromium_here, ffmpeg_here

from yolokit.cli.main import main

_PLAY = """
async (source) => {
  const video = document.createElement("video");
  video.muted = true;
  document.body.append(video);
  const ended = new Promise((resolve) => (video.onended = video.onerror = resolve));
  video.src = source;
  video.play().catch(() => {});
  await ended;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const pen = canvas.getContext("2d");
  if (!video.error) pen.drawImage(video, 0, 0);
  return {
    error: video.error && video.error.code,
    seconds: video.currentTime,
    size: [canvas.width, canvas.height],
    middle: video.error ? [] : [...pen.getImageData(64, 48, 1, 1).data],
  };
}
"""
_NOT_SUPPORTED = 4  # MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED
_RGB = (200, 120, 40)


def play(film: Path) -> dict[str, Any]:
    """How a film ends in a page that plays it."""
    browsers = pytest.importorskip("playwright.sync_api")
    kind = {".mp4": "mp4", ".webm": "webm"}[film.suffix]
    source = f"data:video/{kind};base64,{base64.b64encode(film.read_bytes()).decode()}"
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    arguments += ["--disable-component-update", "--disable-sync"]
    with browsers.sync_playwright() as start:
        browser = start.chromium.launch(executable_path=chromium_here(), args=arguments)
        seen: dict[str, Any] = browser.new_page().evaluate(_PLAY, source)
        browser.close()
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ffmpeg", "options", "name"),
    [
        (True, [], "film.mp4"),
        (False, ["--video-format", "webm"], "film.webm"),
        (False, [], "film.mp4"),
    ],
)
def test_a_film_plays_in_a_browser_or_is_said_not_to(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ffmpeg: bool,
    options: list[str],
    name: str,
) -> None:
    if ffmpeg:
        ffmpeg_here()
    film, out = tmp_path / "film.avi", tmp_path / "out"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 25, (128, 96))
    for _ in range(25):
        writer.write(np.full((96, 128, 3), _RGB[::-1], dtype=np.uint8))
    writer.release()
    with monkeypatch.context() as system:
        if not ffmpeg:
            system.setenv("PATH", "")
        command = ["detect", str(tiny_model), str(film), "--out", str(out), "--conf", "1"]
        assert main([*command, *options, "--device", "cpu"]) == 0
    seen = play(out / name)
    told = "Browsers do not play" in capsys.readouterr().out
    assert told == (seen["error"] == _NOT_SUPPORTED)
    if not told:
        assert seen["error"] is None and seen["size"] == [128, 96]
        assert seen["seconds"] == pytest.approx(1, abs=0.05)
        assert np.abs(np.subtract(seen["middle"], (*_RGB, 255))).max() < 12
    assert told == (not ffmpeg and not options)
