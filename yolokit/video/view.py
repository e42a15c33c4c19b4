"""Watch detection live in a window, where there can be one."""

from __future__ import annotations

import subprocess
import sys
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

_TITLE = "yolokit"
_QUIT_KEYS = {ord("q"), 27}  # 27: Escape
_PROBE_SECONDS = 30.0
_PROBE = f"import cv2; cv2.namedWindow({_TITLE!r}); cv2.destroyAllWindows()"


class View(Protocol):
    """Shows pictures one after the other."""

    def show(self, image: NDArray[np.uint8], *, hold_ms: int = 1) -> bool:
        """Show [H, W, 3] uint8 RGB for at least ``hold_ms``; False when the viewer quits."""

    def close(self) -> None:
        """Take the view away."""


def windows_work() -> bool:
    """Whether OpenCV can open a window; tried in another process, for Qt aborts if it cannot."""
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, timeout=_PROBE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0


class WindowView:
    """OpenCV's window; only for the main thread."""

    def __init__(self) -> None:
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)

    def show(self, image: NDArray[np.uint8], *, hold_ms: int = 1) -> bool:
        """Show a picture; False once q, Esc or the close button was used."""
        cv2.imshow(_TITLE, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        key = cv2.waitKey(hold_ms) & 0xFF
        return key not in _QUIT_KEYS and cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) >= 1

    def close(self) -> None:
        """Close the window."""
        cv2.destroyWindow(_TITLE)
