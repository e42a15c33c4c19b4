"""Writing files so that a reader never meets half of one."""

from __future__ import annotations

import errno
import glob
import itertools
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yolokit.errors import DataError

_ROOM = "Make room there, or write elsewhere"
_ADVICE = {  # on what systems refuse
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: _ROOM,
    errno.EACCES: "Look who may read and write there",
    errno.EPERM: "Look who may read and write there",
    errno.EROFS: "Write elsewhere",
    errno.EEXIST: "Something else has that name; give another",
    errno.ENOTDIR: "A part of that path is a file; give another",
    errno.EISDIR: "That is a folder; give a file",
    errno.ELOOP: "Links lead in a circle there; give another path",
    errno.ENAMETOOLONG: "Give a shorter name",
}


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on a clean exit it takes the final name at once.

    The content is on the disk before the name is: a power cut leaves the old file or the new
    one. After an exception the temporary file is gone and ``path`` is as it was; an ``OSError``
    names it.

    Args:
        path: the final name; its folder is created when missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _new_file_beside(path)
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename = str(path)  # the name that the user knows
        raise


@contextmanager
def scratch_beside(path: Path) -> Iterator[Path]:
    """Give a new folder on the disk of ``path``, for what is to be put there; it goes afterwards.

    Args:
        path: the final name; the folder it lies in is created when missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}-{secrets.token_hex(4)}.part")
    scratch.mkdir()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def put_in_place(new: Path, path: Path) -> None:
    """Rename a finished file or folder to its final name, in place of what is there.

    Its content is on the disk before the name is. A folder that was there is deleted last; a
    process killed between two renames leaves it beside, as ``.NAME-….old``.

    Args:
        new: on the disk of ``path``.
        path: nothing, or of the same kind.
    """
    for file in [new] if new.is_file() else filter(Path.is_file, new.rglob("*")):
        _flush(file)
    if new.is_file() or not path.exists():
        new.replace(path)
        return
    old = path.with_name(f".{path.name}-{secrets.token_hex(4)}.old")
    path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def put_in_unused(new: Path, path: Path) -> None:
    """Rename a finished folder to its final name, at which nothing or an empty folder lies.

    Args:
        new: on the disk of ``path``.
        path: the final name.

    Raises:
        DataError: something came to lie there meanwhile.
    """
    try:
        if path.exists():
            path.rmdir()  # some systems do not rename over a folder
        new.rename(path)
    except OSError:
        require_unused_folder(path)
        raise


def new_folder(path: Path) -> Path:
    """Create a folder that was not there: ``path``, else with -2, -3, ... after its name.

    Of several processes that ask at once, each gets its own.
    """
    numbered = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    for folder in itertools.chain([path], numbered):
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
    raise AssertionError("counting has no end")


def require_unused_folder(path: Path) -> None:
    """Refuse a folder that holds something, or a file in its place.

    Raises:
        DataError: naming it.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise DataError(f"{path} is not an empty folder. Give a new one, or empty it first")


def free_file(path: Path) -> Path:
    """The path itself, or with -2, -3, ... after its stem: the first where nothing lies yet."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], numbered) if not each.exists())


def refusal(error: OSError) -> str:
    """What a system refused, where, and what to do."""
    where = f"{error.filename}: " if error.filename is not None else ""
    advice = _ADVICE.get(error.errno or 0, "--debug shows where it happened")
    return f"{where}{error.strerror or error}. {advice}"


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an ``OSError`` of a file that is open already say which file it is."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def shown_path(path: Path) -> Path:
    """The path as people write it: relative where it lies below the working directory."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text so that ``path`` holds all of it or is unchanged."""
    with written_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove_leftovers(path: Path) -> None:
    """Delete the temporary files and folders that killed writers of ``path`` left beside it.

    Only for what nobody is writing now.
    """
    prefix, suffix = _temporary_name(path)
    for leftover in path.parent.glob(f"{glob.escape(prefix)}*{glob.escape(suffix)}"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def _temporary_name(path: Path) -> tuple[str, str]:
    # The suffix stays last: writers that choose a format by it must not be misled.
    return f".{path.stem}-", f".part{path.suffix}"


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _new_file_beside(path: Path) -> Path:
    prefix, suffix = _temporary_name(path)
    while True:
        temporary = path.with_name(f"{prefix}{secrets.token_hex(4)}{suffix}")
        try:  # not tempfile's: that makes files for the owner's eyes only
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            continue
        except OSError as error:
            error.filename = str(path)  # the name that the user knows
            raise
        return temporary
