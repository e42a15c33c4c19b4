"""A run folder belongs to one training at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from yolokit.engine.run_folder import RunFolder
from yolokit.errors import YolokitError

HOLD = """
import sys
from pathlib import Path
from yolokit.engine.run_folder import RunFolder
with RunFolder.new(Path(sys.argv[1]), "any"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_of_two_that_start_together_each_gets_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    both, paths = threading.Barrier(8), []

    def start() -> None:
        both.wait()
        with RunFolder.new(None, "cells") as folder:
            paths.append(folder.path.name)
            folder.config.write_text("")
            both.wait()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(paths) == ["cells", *(f"cells-{number}" for number in range(2, 9))]


def test_another_process_is_kept_out_until_the_first_dies(tmp_path: Path) -> None:
    path = tmp_path / "run"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(YolokitError, match="another training is at work"):
            RunFolder.new(path, "any").__enter__()
        process.kill()
        process.wait()
    with RunFolder.new(path, "any") as folder:
        folder.config.write_text("")
    assert [each.name for each in path.iterdir()] == ["config.yaml"]  # no lock is left


def test_this_process_keeps_itself_out_too(tmp_path: Path) -> None:
    with RunFolder.new(tmp_path / "run", "any") as folder:
        folder.config.write_text("")
        with pytest.raises(YolokitError, match="another training"):
            RunFolder.existing(tmp_path / "run").__enter__()
    with RunFolder.existing(tmp_path / "run"):
        pass


def test_a_folder_that_stays_empty_is_removed_with_those_made_for_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wrong"), RunFolder.new(tmp_path / "a/b/run", "any"):
        raise ValueError("wrong")
    assert not list(tmp_path.iterdir())


def test_epochs_count_from_1_in_files_that_counted_from_0_too(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.metrics.write_text("epoch,loss\n0,3.5\n1,2.5\n")
    assert [row["epoch"] for row in folder.read_metrics()] == ["1", "2"]
    folder.add_metrics({"epoch": 3, "loss": 1.5})
    assert folder.metrics.read_text() == "epoch,loss\n1,3.5\n2,2.5\n3,1.5\n"
    folder.rewind_metrics(2)
    assert [row["loss"] for row in folder.read_metrics()] == ["3.5", "2.5"]


@pytest.mark.parametrize("content", [b"\x00\xff\x89PNG", b"a,b\n1,2\n", b"epoch,loss\nx,1\n"])
def test_metrics_that_are_no_table_are_one_line(content: bytes, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.metrics.write_bytes(content)
    with pytest.raises(YolokitError, match=r"metrics\.csv is not a table.* Move it away"):
        folder.add_metrics({"epoch": 1})
