"""stderr as a process has it: one known remark is left out, nothing else."""

from __future__ import annotations

import os
import re

import pytest

from yolokit.video.remarks import without_remark

KNOWN = re.compile(rb"known: ")


def test_only_the_known_line_is_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    with without_remark(KNOWN):
        os.write(2, b"before\nknown: a tag\nafter, of known: things\n")
    os.write(2, b"known: later\n")
    assert capfd.readouterr().err == "before\nafter, of known: things\nknown: later\n"


def test_what_fails_inside_gives_stderr_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), without_remark(KNOWN):
        os.write(2, b"said\n")
        raise KeyError
    os.write(2, b"and then\n")
    assert capfd.readouterr().err == "said\nand then\n"


def test_a_process_without_stderr_goes_on() -> None:
    saved = os.dup(2)
    os.close(2)
    try:
        with without_remark(KNOWN):
            reached = True
    finally:
        os.dup2(saved, 2)
        os.close(saved)
    assert reached
