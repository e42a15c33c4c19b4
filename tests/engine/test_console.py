"""What a training prints: to a terminal, to a file, to a program."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest

from yolokit.engine.console import Console, clock_text


class Terminal(io.StringIO):
    """Standard error that somebody watches."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The console's standard error is a terminal of 100 by 30 characters."""
    watched = Terminal()
    # Not sys.stderr itself: pytest sets that again when the test begins.
    monkeypatch.setattr("yolokit.engine.console.sys", SimpleNamespace(stderr=watched))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "30")
    monkeypatch.setattr("yolokit.engine.console._LOOKS_APART", 0.0)
    return watched


def test_one_bar_for_the_whole_run_which_is_gone_at_the_end(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console()
    for step in range(1, 5):
        console.show(step / 4, lambda: ("epoch 1/2", "0:07 left"))
    console.say("a line")
    console.end("the end", {})
    drawn = terminal.getvalue()
    states = [part for part in drawn.split("\r") if "epoch" in part]
    assert [state.split("|")[2].split() for state in states][:5] == [
        [f"{share}%", "0:07", "left"] for share in (0, 25, 50, 75, 100)
    ]
    assert drawn.split("\r")[-2:] == [" " * len(drawn.split("\r")[-2]), ""]  # wiped out
    assert capsys.readouterr().out == "a line\nthe end\n"


def test_where_nobody_watches_there_is_no_bar_and_no_control_character(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = Console()
    console.show(0.5, lambda: ("never", "asked"))
    console.wait_for("something")
    console.say("a line")
    console.end("the end", {})
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("a line\nthe end\n", "")


def test_quiet_says_nothing(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(quiet=True)
    console.show(0.5, lambda: ("never", "asked"))
    console.say("a line")
    console.end("the end", {"AP": 0.5})
    assert capsys.readouterr().out + terminal.getvalue() == ""


def test_json_is_one_document_and_nothing_else(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(as_json=True)
    console.show(0.5, lambda: ("never", "asked"))
    console.say("a line")
    console.end("the end", {"AP": None})
    assert json.loads(capsys.readouterr().out) == {"AP": None}
    assert terminal.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (600, "10:00"), (3725, "1:02:05")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text
