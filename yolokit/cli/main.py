"""The ``yolokit`` command: one file per subcommand, loaded when it is called.

Only click is imported here, so that ``--help`` answers at once.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

from yolokit._version import __version__
from yolokit.errors import YolokitError
from yolokit.signals import SignalWatch, StoppedBySignal, deaf

# Each is a file beside this one with a ``command``, which may return its exit status.
COMMANDS = ("train", "eval", "detect", "export", "bench", "data", "env")
FAILED = 1
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_LONGEST_LINE, _END = 4000, 500  # characters of an error; of its end, what is kept if it is longer
_EMPTY_VALUE = re.compile(r"--[a-z-]+=\s*")
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


@dataclass
class _Session:
    """What the options of any level tell ``main``."""

    debug: bool = False


class _LazyGroup(click.Group):
    """A group that imports a subcommand's file only when that subcommand is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"yolokit.cli.{cmd_name}").command
        return _accept_debug(command)


def _remember_debug(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and isinstance(ctx.obj, _Session):
        ctx.obj.debug = True


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_remember_debug,
        help="Show the traceback of a failure.",
    )


def _accept_debug(command: click.Command) -> click.Command:
    """Let ``--debug`` stand after the subcommand too, at every depth."""
    if not any("--debug" in parameter.opts for parameter in command.params):
        command.params.append(_debug_option())
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        _accept_debug(inner)
    return command


cli = _LazyGroup(
    name="yolokit",
    help="Turn a pretrained image classifier into a YOLO detector for your own data.",
    params=[_debug_option()],
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
click.version_option(__version__, prog_name="yolokit")(cli)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and say how it went.

    Args:
        arguments: the words after ``yolokit``; those of the process when None.

    Returns:
        The exit status: 0 done, 1 failed, 2 wrong usage, 130, 143 and 129 stopped by
        Ctrl-C, SIGTERM or the end of the terminal, or what the command itself chose.
    """
    session = _Session()
    _prepare_for_torch()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # looked for in all that is installed
    try:
        _require_words(sys.argv[1:] if arguments is None else arguments)
        with SignalWatch():
            status: Any = cli.main(
                args=None if arguments is None else list(arguments),
                prog_name="yolokit",
                standalone_mode=False,
                obj=session,
            )
    except StoppedBySignal as stop:
        return _stopped(stop, session.debug)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:
        if session.debug:
            traceback.print_exc()
        from yolokit.plain_text import tamed

        click.echo(f"error: {_shortened(tamed(_one_line(error)))}", err=True)
        return FAILED
    return status if isinstance(status, int) else 0


def _require_words(words: Sequence[str]) -> None:
    """Refuse an argument of no characters: as a path it would mean the working directory.

    Raises:
        UsageError: naming its place.
    """
    for number, word in enumerate(words, 1):
        if not word.strip() or _EMPTY_VALUE.fullmatch(word):
            raise click.UsageError(
                f"argument {number} ({word!r}) is empty. Is a variable of the shell unset?"
            )


def _prepare_for_torch() -> None:
    """Set what makes torch fast, unless the user did; the process is the command's.

    In a container, torch is kept to the processors that it may use; its tensors take the memory of
    those before them.
    """
    from yolokit.machine import keep_freed_memory, thread_limit

    os.environ.update(thread_limit(os.environ))
    keep_freed_memory(os.environ)


def _stopped(stop: StoppedBySignal, debug: bool) -> int:
    with deaf():
        if debug:
            traceback.print_exc()
        if said := str(stop):
            with suppress(OSError):  # a terminal that is gone
                click.echo(said, err=True)
        # Loading processes in the middle of a picture: nobody waits for it any more.
        helpers = sys.modules.get("multiprocessing")
        for child in helpers.active_children() if helpers else ():
            child.kill()
    return stop.status


def _one_line(error: Exception) -> str:
    """What went wrong, where and what to do, on one line."""
    reason = " ".join(str(error).split())
    if isinstance(error, YolokitError):
        return reason
    if isinstance(error, ImportError) and not (error.name or "").startswith("yolokit"):
        return _explain_import(error, reason)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"out of memory ({reason}). Use a smaller batch or image size"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        advice = _ADVICE.get(error.errno or 0, "--debug shows where it happened")
        return f"{where}{error.strerror}. {advice}"
    kind = type(error).__name__
    return f"{kind}: {reason}. This is a bug in yolokit; run again with --debug to see where"


def _shortened(line: str) -> str:
    """A line that can be read: its start, and its end, where it says what to do."""
    over = len(line) - _LONGEST_LINE
    return line if over <= 0 else f"{line[: -_END - over]} … {line[-_END:]}"


def _explain_import(error: ImportError, reason: str) -> str:
    package = (error.name or "").partition(".")[0]
    if package == "cv2" or "libGL" in reason or "libgthread" in reason:
        return (
            f"OpenCV cannot be imported ({reason}). Install its system libraries "
            "(Debian, Ubuntu: apt-get install libgl1 libglib2.0-0), or use the build that needs "
            "none: pip install --force-reinstall --no-deps opencv-python-headless"
        )
    if isinstance(error, ModuleNotFoundError) and package:
        return f"the package {package} is missing ({reason}). Install it: pip install {package}"
    return f"a package cannot be imported ({reason}). `yolokit env` says which are broken"


if __name__ == "__main__":
    sys.exit(main())
