"""Runs side by side: numbers from made-up folders, by hand; one really trained pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from yolokit.cli.main import main
from yolokit.config_file import dump_config, validate_config
from yolokit.report.compare import read_runs

HEADER = "epoch,step,seconds,lr,data_wait,loss,AP,AP50,AP75\n"


def make_run(folder: Path, *, seed: int, aps: list[float | None], evaluation: Any = None) -> Path:
    """A run folder as a training leaves it, with an epoch of a minute for each AP."""
    folder.mkdir(parents=True)
    tree = {"model": {"backbone": {"name": "resnet18"}}, "train": {"seed": seed}}
    (folder / "config.yaml").write_text(dump_config(validate_config(tree, "test")))
    rows = [
        f"{n},{n},{60 * n},0.1,0,1.5,{'' if ap is None else ap},{'' if ap is None else ap + 0.1},"
        for n, ap in enumerate(aps, 1)
    ]
    (folder / "metrics.csv").write_text(HEADER + "\n".join(rows) + "\n")
    (folder / "model.safetensors").write_bytes(bytes(1_500_000))
    if evaluation is not None:
        (folder / "evaluation.json").write_text(json.dumps(evaluation))
    return folder


def scores(ap: float, fingerprint: str) -> dict[str, Any]:
    per_class = {"cat": {"AP": ap - 0.1, "AP50": 0.9}, "<dog>": {"AP": None, "AP50": None}}
    threshold = {"conf": 0.35, "F1": 0.625}
    numbers = {"AP": ap, "AP50": ap + 0.1, "APs": None, "per_class": per_class}
    return {**numbers, "threshold": threshold, "data_fingerprint": fingerprint}


def test_numbers_of_two_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = make_run(
        tmp_path / "a", seed=1, aps=[0.2, None, 0.5, 0.4], evaluation=scores(0.5, "same")
    )
    second = make_run(tmp_path / "b", seed=2, aps=[0.3, 0.3], evaluation=scores(0.3, "same"))
    out, page = tmp_path / "out.json", tmp_path / "out.html"
    assert main(["compare", str(first), str(second), "--json", str(out), "--html", str(page)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    rows = [line.split() for line in captured.out.splitlines() if line]
    for row in (
        ["a", "b"],
        ["AP", "0.500", "0.300"],
        ["AP50", "0.600", "0.400"],
        ["best", "F1", "0.625", "0.625"],
        ["at", "--conf", "0.35", "0.35"],
        ["epochs", "4", "2"],
        ["kept", "epoch", "3", "2"],  # of equals the last
        ["minutes", "4.0", "2.0"],
        ["model", "MB", "1.5", "1.5"],
        ["cat", "0.400", "0.200"],
        ["<dog>", "-", "-"],
        ["train.seed", "1", "2"],
    ):
        assert row in rows
    assert [row[0] for row in rows if "." in row[0]] == ["train.seed"]  # nothing else differs
    told = json.loads(out.read_text())
    assert told["settings"] == {"train.seed": ["1", "2"]} and told["warnings"] == []
    assert [run["kept_epoch"] for run in told["runs"]] == [3, 2]
    html = page.read_text()
    assert "AP over minutes" in html and "&lt;dog&gt;" in html and "<dog>" not in html
    assert "a 0.5 at 3" in html  # the third epoch ended after three minutes


def test_other_validation_data_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [
        make_run(tmp_path / name / "run", seed=1, aps=[0.5], evaluation=evaluation)
        for name, evaluation in (("x", scores(0.5, "one")), ("y", scores(0.6, "two")), ("z", None))
    ]
    assert main(["compare", *map(str, runs)]) == 0
    captured = capsys.readouterr()
    first, second = captured.err.splitlines()
    assert first.startswith("note: the validation data differ")
    assert second.startswith("note: no evaluation.json in z/run, so nobody")
    assert captured.out.splitlines()[0].split() == ["x/run", "y/run", "z/run"]
    # Without an evaluation the numbers are those of the epoch that was kept.
    assert ["AP", "0.500", "0.600", "0.500"] in [line.split() for line in captured.out.splitlines()]
    assert main(["compare", *map(str, runs[:1] * 2)]) == 0  # a run beside itself
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("metrics.csv", "a,b\n1,2\n", "is no table of epochs"),
        ("evaluation.json", "{", "is damaged"),
        ("evaluation.json", '{"per_class": 3}', "has no per_class"),
        ("config.yaml", None, "no run in"),
    ],
)
def test_folders_that_are_no_runs_are_one_line(
    name: str, content: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "a", seed=1, aps=[0.5], evaluation=scores(0.5, "one"))
    other = make_run(tmp_path / "b", seed=1, aps=[0.5], evaluation=scores(0.5, "one"))
    if content is None:
        (run / name).unlink()
    else:
        (run / name).write_text(content)
    assert main(["compare", str(run), str(other)]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    assert said in captured.err and str(run) in captured.err


def test_one_run_is_nothing_to_compare(tmp_path: Path) -> None:
    assert main(["compare", str(tmp_path)]) == 2


def test_runs_before_there_was_an_evaluation(tmp_path: Path) -> None:
    """A run without validations has neither scores nor curves."""
    runs = [make_run(tmp_path / name, seed=1, aps=[None, None]) for name in "ab"]
    compared = read_runs(runs)
    assert ["AP", "-", "-"] not in compared.numbers
    assert ["kept epoch", "-", "-"] in compared.numbers and compared.classes == []
    assert "All settings are the same." in compared.html()
