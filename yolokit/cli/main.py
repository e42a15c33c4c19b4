"""The ``yolokit`` command: one file per subcommand, loaded when it is called.

Only click is imported here, so that ``--help`` answers at once.
"""

from __future__ import annotations

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
COMMANDS = (
    "train",
    "eval",
    "compare",
    "detect",
    "track",
    "serve",
    "export",
    "explain",
    "bench",
    "data",
    "env",
)
FAILED = 1
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_LONGEST_LINE, _END = 4000, 500  # characters of an error; of its end, what is kept if it is longer
_EMPTY_VALUE = re.compile(r"--[a-z-]+=\s*")


@dataclass
class _Session:
    """What the options of any level tell ``main``."""

    debug: bool = False


class _ToldError(click.UsageError):
    """Wrong usage whose message says already what to type instead."""


class _LazyGroup(click.Group):
    """A group that imports a subcommand's file only when that subcommand is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"yolokit.cli.{cmd_name}").command
        return _accept_debug(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is asked for.

        Raises:
            UsageError: no such command; naming ours where it is another detector's.
        """
        from yolokit.cli.other_words import command_here

        if args and args[0] not in COMMANDS and (here := command_here(args[0])) is not None:
            raise _ToldError(here, ctx)
        return super().resolve_command(ctx, args)


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
        words = sys.argv[1:] if arguments is None else arguments
        _require_words(words)
        _require_our_words(words)
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
        _show(error)
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


def _require_our_words(words: Sequence[str]) -> None:
    """Refuse settings without dashes and models of other detectors.

    Raises:
        UsageError: with what to type here.
    """
    if not any("=" in word or word.lower().endswith(".pt") for word in words):
        return
    from yolokit.cli.other_words import foreign_model, settings_here

    command = next((word for word in words if not word.startswith("-")), "")
    here = settings_here(words) or foreign_model(command, words)
    if here is not None:
        raise _ToldError(here)


def _show(error: click.ClickException) -> None:
    """Wrong usage, in one line as every other error; a bare command shows its help."""
    if type(error).__name__ == "NoArgsIsHelpError":  # of click 8.2 and later
        error.show()
        return
    reason = " ".join(error.format_message().split())
    reason = reason[:1].lower() + reason[1:]
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.NoSuchOption) and context is not None:
        from yolokit.cli.other_words import option_here

        here = option_here(context.info_name or "", error.option_name)
        error, reason = (error, reason) if here is None else (_ToldError(here), here)
    if isinstance(error, click.UsageError) and not isinstance(error, _ToldError):
        path = context.command_path if context is not None else "yolokit"
        whole = reason if reason.endswith("?") else f"{reason.rstrip('.')}."
        reason = f"{whole} See {path} --help"
    click.echo(f"error: {reason}", err=True)


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
        from yolokit.files import refusal

        return refusal(error)
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
