"""Counts over a line and in a zone against a film's truth, as a stranger asks for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lane_model import HW, NAMES, Mover, write_frames, write_lane_model

import yolokit
from yolokit.cli.main import main
from yolokit.tracking.counting import Counting

FRAMES = 110
MIDDLE = HW[1] / 2  # 48 px: where the line is
FULL, HALF = "50%,0,50%,100%", "48,0,48,32"  # over all lanes; past the upper two only
ZONE = "25%,0,75%,0,75%,50%,25%,50%"  # 24 to 72 px of the upper two lanes


def _there_and_back() -> list[int | None]:
    return [2 + 2 * n if n < 40 else 80 - 2 * (n - 40) for n in range(80)] + [None] * 30


MOVERS = [
    Mover(0, 0, _there_and_back()),
    Mover(1, 1, [82 - 3 * n if n < 27 else None for n in range(FRAMES)]),
    Mover(1, 2, [None] * 60 + [1 + 2 * n for n in range(40)] + [None] * 10),  # 33 frames later
    Mover(2, 0, [41 + 2 * (n % 2) for n in range(FRAMES)]),  # its middle jumps over 48 and back
    Mover(3, 2, [None] * 5 + [3 * n + 1 for n in range(28)] + [None] * 77),
]
Count = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lane_model(tmp_path_factory.mktemp("model") / "lanes.onnx")


@pytest.fixture
def count(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Count:
    """Runs in ``tmp_path`` over the film ``shots``; gives the records."""
    monkeypatch.chdir(tmp_path)
    write_frames(tmp_path / "shots", MOVERS, FRAMES)

    def run(*arguments: str) -> list[dict[str, Any]]:
        words = ["track", str(model), "shots", "--save-json", "--out", "out", *arguments]
        assert main(words) == 0
        found: list[dict[str, Any]] = json.loads((tmp_path / "out/tracks.json").read_text())
        return found

    return run


def middles(mover: Mover) -> Iterator[tuple[int, float]]:
    """Frame and middle column, once the mover has an id: in its second frame."""
    seen = 0
    for frame, left in enumerate(mover.left):
        if left is not None:
            seen += 1
            if seen > 1:
                yield frame, left + mover.width / 2


def true_passages(lanes: int) -> dict[str, dict[str, int]]:
    """By hand: sides of 48 px, frame after frame; looking down, the right hand is to the left.

    Who crosses goes on by more than a tenth of 12 px, but for the one that jitters on the line.
    """
    found: dict[str, dict[str, int]] = {"in": {}, "out": {}}
    for mover in MOVERS:
        sides = [middle > MIDDLE for _, middle in middles(mover)]
        if mover.lane >= lanes or mover.lane == 2:
            continue
        for before, after in pairwise(sides):
            if before != after:
                kinds = found["in" if before else "out"]
                kinds[NAMES[mover.label]] = kinds.get(NAMES[mover.label], 0) + 1
    return found


def true_zone() -> dict[str, dict[str, float]]:
    """By hand: 24 to 72 px, ends included; 40 ms from frame to frame."""
    found: dict[str, dict[str, float]] = {
        kind: {} for kind in ("inside", "entered", "left", "objects", "seconds")
    }
    for mover in MOVERS[:3]:
        name = NAMES[mover.label]
        inside = [24 <= middle <= 72 for _, middle in middles(mover)]
        pairs = list(pairwise(inside))
        for kind, number in (
            ("entered", pairs.count((False, True))),
            ("left", pairs.count((True, False))),
            ("objects", any(inside)),
            ("seconds", 0.04 * sum(inside[:-1])),
        ):
            found[kind][name] = found[kind].get(name, 0) + number
    return found


def test_counts_are_those_of_truth(count: Count) -> None:
    seen = count("--count-line", FULL, "--count-line", HALF, "--count-zone", ZONE)
    assert len(seen) == FRAMES
    last = seen[-1]["counts"]
    assert (
        last["line 1"]
        == true_passages(4)
        == {
            "in": {"red": 1, "green": 1},
            "out": {"red": 1, "blue": 2},
        }
    )
    assert last["line 2"] == true_passages(2)
    assert last["line 2"]["out"] == {"red": 1, "blue": 1}
    zone = last["zone 1"]
    truth = true_zone()
    assert zone.pop("seconds") == pytest.approx(truth.pop("seconds"))
    assert zone == truth
    assert truth["entered"] == {"red": 2, "green": 1, "blue": 1} == truth["left"]


def test_events_add_up_to_the_counts_and_name_whom(count: Count) -> None:
    seen = count("--count-line", FULL)
    events = [(frame["frame"], event) for frame in seen for event in frame["events"]]
    assert len(events) == 5
    assert all(event["place"] == "line 1" for _, event in events)
    red = [(at, each["what"], each["track_id"]) for at, each in events if each["name"] == "red"]
    (there, first, one), (back, second, same) = red
    assert (first, second) == ("out", "in") and one == same and there < 40 < back
    totals = [sum(sum(kind.values()) for kind in f["counts"]["line 1"].values()) for f in seen]
    assert totals == sorted(totals) and totals[-1] == 5


def test_what_is_inside_is_what_this_frame_shows(count: Count) -> None:
    for index, frame in enumerate(count("--count-zone", ZONE)):
        now = [middle for mover in MOVERS[:3] for at, middle in middles(mover) if at == index]
        expected = sum(24 <= middle <= 72 for middle in now)
        assert sum(frame["counts"]["zone 1"]["inside"].values()) == expected


def test_tables_at_the_end(count: Count, capsys: pytest.CaptureFixture[str]) -> None:
    count("--count-line", FULL, "--count-zone", ZONE, "--no-save-video")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["line", "1", "in", "out"] in rows
    assert ["all", "2", "3"] in rows
    assert ["zone", "1", "inside", "entered", "left", "objects", "seconds"] in rows
    seconds = sum(true_zone()["seconds"].values())
    assert ["all", "0", "4", "4", "3", f"{seconds:.1f}"] in rows


def test_python_counts_the_same(count: Count, model: Path) -> None:
    told = count("--count-line", FULL)[-1]["counts"]["line 1"]
    counting = Counting(lines=[FULL])
    for result in yolokit.load(model).track("shots"):
        assert result.pts_ms is not None
        counts = counting.step(result.detections, at_ms=result.pts_ms, image_hw=result.image_hw)
    (tally,) = counts.tallies
    assert {
        kind: {NAMES[label]: number for label, number in numbers.items()}
        for kind, numbers in tally.kinds.items()
    } == told
    assert (tally.total("in"), tally.total("out")) == (2, 3)


def test_each_film_is_counted_for_itself(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        write_frames(tmp_path / name, MOVERS[1:2], 30)
    assert main(["track", str(model), "a", "b", "--count-line", FULL, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for name in ("a", "b"):
        last = [line for line in lines if line["source"] == name][-1]
        assert last["counts"]["line 1"] == {"in": {"green": 1}, "out": {}}
    assert lines[30]["counts"]["line 1"] == {"in": {}, "out": {}}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--count-line", "1,2,3"], "error: a line is x1,y1,x2,y2; '1,2,3' has 3 numbers\n"),
        (
            ["--count-line", "500,0,500,9"],
            "error: shots: 500,0,500,9 lies outside the picture, which is 96x64 pixels. "
            "Give pixels inside it, or percent: 0,50%,100%,50%\n",
        ),
        (
            ["--count-zone", "1,1,2,2,3,3"],
            "error: shots: 1,1,2,2,3,3 has no area. Move its corners apart\n",
        ),
    ],
)
def test_what_is_no_line_or_zone_is_one_line_and_leaves_nothing(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_frames(tmp_path / "shots", MOVERS, 12)
    words = ["track", str(model), "shots", "--save-json", "--save-mot", *arguments]
    assert main(words) == 1
    assert capsys.readouterr() == ("", told)
    assert not (tmp_path / "runs/track").exists()
