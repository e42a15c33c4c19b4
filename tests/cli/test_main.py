"""The command line's promises: quick help, exit statuses, one-line errors, --debug anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import click
import pytest

from yolokit.cli import main as cli_main
from yolokit.errors import DataError

HEAVY = {"torch", "torchvision", "cv2", "numpy", "pydantic", "lightning", "albumentations", "PIL"}


def _yolokit(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "yolokit", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Make a function the body of ``yolokit fake`` and of ``yolokit nest fake``."""

    def _install(body: Callable[[], object]) -> None:
        command = click.Command("fake", callback=body)
        for name, kind in (("fake", command), ("nest", click.Group("nest", {"fake": command}))):
            module = ModuleType(f"yolokit.cli.{name}")
            module.command = kind  # type: ignore[attr-defined]
            monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(cli_main, "COMMANDS", (*cli_main.COMMANDS, "fake", "nest"))

    return _install


def _raise(error: BaseException) -> Callable[[], None]:
    def body() -> None:
        raise error

    return body


@pytest.mark.parametrize("arguments", [[], *([name] for name in cli_main.COMMANDS)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys; from yolokit.cli.main import main; "
        f"status = main([*{arguments!r}, '--help']); "
        "print('modules:', *{name.partition('.')[0] for name in sys.modules}); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text, _, modules = done.stdout.rpartition("modules:")
    assert "Usage: yolokit" in text
    assert HEAVY & set(modules.split()) == set()


def test_import_yolokit_is_light_and_lists_what_it_offers() -> None:
    script = (
        "import sys, yolokit; print(*dir(yolokit)); print(*yolokit.__all__); "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    directory, offered, modules = (set(line.split()) for line in done.stdout.splitlines())
    assert offered == {"Model", "Predictor", "__version__", "evaluate", "load", "train"}
    assert directory == offered  # not what the file itself imports
    assert HEAVY & modules == set()


def test_what_yolokit_offers_exists() -> None:
    import yolokit

    assert all(callable(getattr(yolokit, name)) for name in yolokit.__all__ if name[0] != "_")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = yolokit.nothing


def test_the_group_lists_each_command_with_its_help() -> None:
    done = _yolokit("--help")
    listing = done.stdout.partition("Commands:\n")[2]
    rows = {line.split()[0]: line.split()[1:] for line in listing.splitlines()}
    assert tuple(rows) == cli_main.COMMANDS
    assert all(rows.values())


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["--nothing"], ["env", "--nothing"], ["eval", "--split", "x", "--nothing"]],
)
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    done = _yolokit(*arguments)
    assert done.returncode == 2
    assert "nothing" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["detect", "model.safetensors", ""],
        ["detect", "model.safetensors", "a.jpg", "--out", ""],
        ["detect", "model.safetensors", "a.jpg", "--out="],
        ["data", "check", " "],
        ["train", "quickstart", "--data", "", "--run", "x"],
        ["detect", "model.safetensors", "a.jpg", "--conf", "nan"],
        ["detect", "model.safetensors", "a.jpg", "--iou", "nan"],
        ["data", "shapes", "new", "--crowding", "nan"],
    ],
)
def test_an_empty_word_and_nan_are_wrong_usage(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of an unset variable of the shell nothing is left, and a path of nothing is everything."""
    monkeypatch.chdir(tmp_path)
    assert cli_main.main(words) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "?." not in said and ".." not in said
    assert ("Is a variable of the shell unset? See yolokit --help\n" in said) != ("nan" in words)
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_printed() -> None:
    import yolokit

    assert _yolokit("--version").stdout.split()[-1] == yolokit.__version__


@pytest.mark.parametrize("name", cli_main.COMMANDS)
def test_a_shim_takes_the_same_arguments(name: str, repository: Path, tmp_path: Path) -> None:
    shim = [sys.executable, str(repository / "tools" / f"{name}.py"), "--help"]
    done = subprocess.run(shim, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == _yolokit(name, "--help").stdout


@pytest.mark.parametrize("words", [["fake"], ["nest", "fake"]])
def test_an_expected_failure_is_one_line_and_exits_1(
    words: list[str],
    install: Callable[[Callable[[], object]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(_raise(DataError("no data at\n  here. Give a folder")))
    assert cli_main.main(words) == 1
    assert capsys.readouterr().err == "error: no data at here. Give a folder\n"


@pytest.mark.parametrize(
    "words",
    [
        ["--debug", "fake"],
        ["fake", "--debug"],
        ["--debug", "nest", "fake"],
        ["nest", "--debug", "fake"],
        ["nest", "fake", "--debug"],
    ],
)
def test_debug_shows_the_traceback_wherever_it_stands(
    words: list[str],
    install: Callable[[Callable[[], object]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(_raise(DataError("no data")))
    assert cli_main.main(words) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback")
    assert shown.endswith("\nerror: no data\n")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ZeroDivisionError("division\nby zero"),
            "ZeroDivisionError: division by zero. This is a bug",
        ),
        (ModuleNotFoundError("No module named 'yolokit.x'", name="yolokit.x"), "This is a bug"),
        (ImportError("libGL.so.1: cannot open", name="cv2"), "apt-get install libgl1"),
        (ModuleNotFoundError("No module named 'timm'", name="timm"), "pip install timm"),
        (ImportError("cannot import name 'x' from 'torch'", name="torch"), "`yolokit env` says"),
        (
            PermissionError(13, "Permission denied", "/x/y"),
            "error: /x/y: Permission denied. Look who may read and write there",
        ),
        (OSError(28, "No space left on device"), "error: No space left on device. Make room"),
        (FileExistsError(17, "File exists", "a"), "a: File exists. Something else has that name"),
        (MemoryError("8 GB"), "out of memory (8 GB)"),
    ],
)
def test_an_unexpected_failure_is_one_line_too(
    error: Exception,
    told: str,
    install: Callable[[Callable[[], object]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(_raise(error))
    assert cli_main.main(["fake"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert told in line


def test_an_error_line_is_fit_for_a_terminal(
    install: Callable[[Callable[[], object]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """What a stranger wrote into a file name neither clears the screen nor fills it."""
    install(_raise(DataError("no picture \x1b[2J" + "a" * 100_000 + ". Check the folder")))
    assert cli_main.main(["fake"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: no picture \ufffd[2Jaaa")
    assert shown.endswith("aaa. Check the folder\n") and len(shown) < 4100


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), 130), (click.Abort(), 130), (click.exceptions.Exit(3), 3)],
)
def test_other_ends_have_their_status(
    error: BaseException, status: int, install: Callable[[Callable[[], object]], None]
) -> None:
    install(_raise(error))
    assert cli_main.main(["fake"]) == status


@pytest.mark.parametrize(("value", "status"), [(None, 0), (0, 0), (3, 3), (143, 143), ("text", 0)])
def test_a_commands_number_is_its_status(
    value: object, status: int, install: Callable[[Callable[[], object]], None]
) -> None:
    install(lambda: value)
    assert cli_main.main(["fake"]) == status
    assert cli_main.main(["nest", "fake"]) == status


def _openmp_settings(code: str, **environment: str) -> str:
    """What the OpenMP library says of itself when torch loads it, after some code."""
    pytest.importorskip("torch")
    chosen = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}
    inherited = {name: value for name, value in os.environ.items() if name not in chosen}
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nimport torch"],
        env={**inherited, "OMP_DISPLAY_ENV": "verbose", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("torch has another OpenMP library here")
    return done.stderr


COMMAND = "sys.argv = ['yolokit', '--version']\nfrom yolokit.__main__ import run\nrun()"


def test_the_commands_threads_spin_briefly_and_a_users_choice_stays() -> None:
    assert "GOMP_SPINCOUNT = '10000'" in _openmp_settings(COMMAND)
    assert "GOMP_SPINCOUNT = '77'" in _openmp_settings(COMMAND, GOMP_SPINCOUNT="77")
    assert "GOMP_SPINCOUNT = '0'" in _openmp_settings(COMMAND, OMP_WAIT_POLICY="passive")


def test_an_import_leaves_threads_as_they_are() -> None:
    assert "GOMP_SPINCOUNT = '10000'" not in _openmp_settings("import yolokit, yolokit.__main__")
