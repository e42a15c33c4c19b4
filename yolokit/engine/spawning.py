"""Starting processes on systems that import a program's main file anew in each of them."""

from __future__ import annotations

import multiprocessing

from yolokit.errors import ConfigError

_GUARD = (
    "this program's main file trains whenever it is imported, and each loading process imports it. "
    'Put the call under `if __name__ == "__main__":`, or set train.workers=0'
)


def require_main_program() -> None:
    """Refuse to work in a process that is only importing the main file of its parent.

    Raises:
        ConfigError: the file calls us without a guard.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise ConfigError(_GUARD)


def require_guarded_main() -> None:
    """Try whether a process can be started at all, where starting imports the main file.

    A loading process is handed its data set through a pipe. One that ends while it imports leaves
    its parent writing into that pipe for ever; this one is handed nothing.

    Raises:
        ConfigError: it did not get to its own work.
    """
    methods = multiprocessing.get_all_start_methods()  # the default is the first
    method = multiprocessing.get_start_method(allow_none=True) or methods[0]
    if method == "fork":
        return
    process = multiprocessing.get_context(method).Process(target=_nothing, daemon=True)  # type: ignore[attr-defined]
    process.start()
    process.join()
    if process.exitcode:
        raise ConfigError(_GUARD)


def _nothing() -> None:
    """What the first process has to do."""
