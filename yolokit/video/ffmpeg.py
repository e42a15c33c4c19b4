"""H.264, which browsers and players show, by the user's own ``ffmpeg``, a program on the PATH.

It is fed raw frames through a pipe, in a process of its own. When this process dies, however that
happens, the pipe ends, and with it ``ffmpeg``, which first completes what it has.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolokit.errors import SourceError
from yolokit.plain_text import tamed
from yolokit.video.encoders import finish_whole, reserve

_PROBE_SECONDS = 30.0  # for a list of encoders, on a machine that is busy
_END_SECONDS = 60.0  # for the frames that wait in an encoder that is to give up
_ENCODER = "libx264"
# At 768x432, 7 ms of a processor a frame and 40 dB; "medium" takes 16 for a third less space.
_QUALITY = ["-preset", "veryfast", "-crf", "20"]
_FRAGMENT_SECONDS = (
    2.0  # what is lost at most where ffmpeg is killed too; also the steps of seeking
)
# Untagged colours are guessed from the size by those who play it.
_COLOURS = ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-pix_fmt", "yuv420p"]
_COLOURS += ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
_COLOURS += ["-color_range", "tv"]
# Playable to the last fragment whenever writing stops, its times exact; made whole at the end.
_IN_FRAGMENTS = ["-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-f", "mp4"]
_SPEAKER = re.compile(r"^\[[^]]*\] ")  # [mp4 @ 0x55d0c8]
_INDEX_FIRST = ["-movflags", "+faststart", "-f", "mp4"]  # plays before all of it is there


def find_ffmpeg() -> str | None:
    """The ``ffmpeg`` on the PATH, if there is one that writes H.264."""
    program = shutil.which("ffmpeg")
    return program if program is not None and _writes_h264(program) else None


@cache
def _writes_h264(program: str) -> bool:
    try:
        listed = subprocess.run(
            [program, "-hide_banner", "-encoders"],
            capture_output=True,
            timeout=_PROBE_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return f" {_ENCODER} ".encode() in listed.stdout


class FfmpegEncoder:
    """H.264 in an .mp4 whose index stands first.

    Args:
        path: the final name, ending in .mp4.
        program: of ``find_ffmpeg``.
        size_wh: (width, height) of all frames, even.
        fps: frames a second.

    Raises:
        SourceError: the program cannot be started.
    """

    for_browsers = True

    def __init__(self, path: Path, *, program: str, size_wh: tuple[int, int], fps: float) -> None:
        self.rescue = path.with_name(f"{path.stem}.part.mp4")
        self._path, self._program = path, program
        reserve(self.rescue)
        width, height = size_wh
        raw = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}"]
        coded = ["-c:v", _ENCODER, *_QUALITY, "-g", str(max(1, round(fps * _FRAGMENT_SECONDS)))]
        words = [*raw, "-framerate", str(fps), "-i", "pipe:0", *coded, *_COLOURS, *_IN_FRAGMENTS]
        try:
            self._run = _Run(program, words, self.rescue)
        except SourceError:
            self.rescue.unlink()
            raise

    def write(self, bgr: NDArray[np.uint8]) -> None:
        """See ``Encoder``."""
        if not self._run.feed(np.ascontiguousarray(bgr).data):
            self._run.end()
            raise self._error(self._run)

    def finish(self, frames: int) -> None:
        """See ``Encoder``."""
        if not self._run.end():
            raise self._error(self._run)
        finish_whole(self._path, frames, self, self._copy)

    def _copy(self, whole: Path) -> None:
        copying = _Run(
            self._program, ["-i", _named(self.rescue), "-c", "copy", *_INDEX_FIRST], whole
        )
        if not copying.end():
            raise self._error(copying)

    def abort(self) -> None:
        """See ``Encoder``."""
        self._run.end(_END_SECONDS)
        self._free_if_empty()

    def _free_if_empty(self) -> None:
        """Where nothing was saved, the name is for others again."""
        if not self.rescue.is_file() or self.rescue.stat().st_size == 0:
            self.rescue.unlink(missing_ok=True)

    def _error(self, run: _Run) -> SourceError:
        self._free_if_empty()
        saved = self.rescue.is_file()
        return SourceError(
            f"ffmpeg ({self._program}) cannot write {self._path}: {run.reason()}. "
            "--video-format webm does without it"
            + (f". What could be saved is in {self.rescue}" if saved else "")
        )


class _Run:
    """One run of ffmpeg, into one file.

    Signals of the terminal are not for it: how a film ends is decided here.
    """

    def __init__(self, program: str, arguments: list[str], target: Path) -> None:
        self._remarks = tempfile.TemporaryFile()  # noqa: SIM115 - goes with this object
        alone: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            alone = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        words = ["-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments]
        try:
            self._process = subprocess.Popen(
                [program, *words, _named(target)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._remarks,
                **alone,
            )
        except OSError as error:
            raise SourceError(
                f"{program} cannot be started: {error.strerror}. "
                "--video-format webm does without it"
            ) from error

    def feed(self, data: memoryview) -> bool:
        """Hand bytes over; False when the program does not take any more."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
        except OSError:
            return False
        return True

    def end(self, seconds: float | None = None) -> bool:
        """Let the program complete its file; False when it failed, or took longer than that."""
        assert self._process.stdin is not None
        with suppress(OSError):  # it is gone already
            self._process.stdin.close()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
        return self._process.wait() == 0

    def reason(self) -> str:
        """What the program, which has ended, said first, or how it ended."""
        self._remarks.seek(0)
        lines = self._remarks.read().decode(errors="replace").splitlines()
        said = [_SPEAKER.sub("", line).strip().rstrip(".") for line in lines]
        status = self._process.returncode
        return tamed(next(filter(None, said), f"it ended with status {status}"))


def _named(path: Path) -> str:
    """A path that is not taken for an option or an address."""
    return f"file:{path.absolute()}"
