"""Files are whole or not there."""

from pathlib import Path

import pytest

from yolokit.errors import DataError
from yolokit.files import (
    free_file,
    new_folder,
    put_in_place,
    put_in_unused,
    remove_leftovers,
    scratch_beside,
    write_text_atomically,
    written_atomically,
)


def test_the_name_appears_with_the_whole_content(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    with written_atomically(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".json"
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_text_atomically(path, "old")
    with pytest.raises(KeyboardInterrupt), written_atomically(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_where_nothing_can_be_made_the_known_name_is_told(tmp_path: Path) -> None:
    path = tmp_path / f"{'a' * 300}.txt"  # longer than any name may be, for root too
    with pytest.raises(OSError, match="too long") as caught, written_atomically(path):
        pass
    assert caught.value.filename == str(path)


@pytest.mark.parametrize("named", [True, False])
def test_what_a_system_refuses_names_the_file_that_the_user_knows(
    named: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(OSError, match="No space") as caught, written_atomically(path) as temporary:
        raise OSError(28, "No space left on device", *([str(temporary)] if named else []))
    assert caught.value.filename == str(path)


def test_others_may_read_what_the_umask_lets_them(tmp_path: Path) -> None:
    plain, atomic = tmp_path / "plain", tmp_path / "atomic"
    plain.write_text("")
    write_text_atomically(atomic, "")
    assert atomic.stat().st_mode == plain.stat().st_mode


def test_leftovers_of_a_killed_writer_go_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    kept = [
        path,
        tmp_path / ".last.ckpt",
        tmp_path / ".other-x.part.ckpt",
        tmp_path / "x.part.ckpt",
    ]
    for file in [*kept, tmp_path / ".last-abc.part.ckpt"]:
        file.write_text("")
    remove_leftovers(path)
    assert set(tmp_path.iterdir()) == set(kept)


def test_new_folders_and_free_files_lie_beside_what_is_there(tmp_path: Path) -> None:
    folders = [new_folder(tmp_path / "runs" / "detect") for _ in range(3)]
    assert [folder.name for folder in folders] == ["detect", "detect-2", "detect-3"]
    assert all(folder.is_dir() for folder in folders)
    path = tmp_path / "found.json"
    assert free_file(path) == path
    path.touch()
    (tmp_path / "found-2.json").touch()
    assert free_file(path).name == "found-3.json"


def test_a_scratch_folder_goes_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), scratch_beside(tmp_path / "new" / "m") as scratch:
        (scratch / "half").write_text("half")
        raise KeyboardInterrupt
    assert list((tmp_path / "new").iterdir()) == []


def test_a_finished_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "m"
    for content in ("first", "second"):
        with scratch_beside(target) as scratch:
            (scratch / "made").mkdir()
            (scratch / "made" / f"{content}.txt").write_text(content)
            put_in_place(scratch / "made", target)
        assert [each.name for each in target.iterdir()] == [f"{content}.txt"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_finished_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "m.onnx"
    target.write_text("old")
    with scratch_beside(target) as scratch:
        (scratch / "new.onnx").write_text("new")
        put_in_place(scratch / "new.onnx", target)
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "old.txt").write_text("old")
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "never made", tmp_path / "m")
    assert [each.name for each in tmp_path.iterdir()] == ["m"]
    assert (tmp_path / "m" / "old.txt").read_text() == "old"


def test_of_two_that_make_one_folder_the_later_is_told_and_spoils_nothing(tmp_path: Path) -> None:
    name = tmp_path / "set"
    for part in ("first", "second"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "file").write_text(part)
    name.mkdir()  # empty: unused
    put_in_unused(tmp_path / "first", name)
    with pytest.raises(DataError, match=f"{name} is not an empty folder. Give a new one"):
        put_in_unused(tmp_path / "second", name)
    assert (name / "file").read_text() == "first"
    assert (tmp_path / "second" / "file").read_text() == "second"
