"""Models from the Hugging Face hub: fetched once, then read from its cache. Needs no torch.

Only formats are fetched in which no code can hide: safetensors, ONNX, OpenVINO; never a pickle.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from yolokit._version import __version__
from yolokit.errors import HubError
from yolokit.models.hub_errors import explained, require_hub, unreachable
from yolokit.models.hub_name import HubName, hub_name

MODEL = "model.safetensors"  # taken before others: what training wrote
_SUFFIXES = (".safetensors", ".onnx", ".xml")
_PATIENCE = 10.0  # seconds for the hub to answer
_SHOWN = 8  # file names in an error


def local_model(path: str | Path) -> Path:
    """A path as it is; of a model on the hub the file in the cache, fetched where it is not there.

    A branch is asked for anew each time; without a network what was fetched before is taken, and
    that is said on standard error. HF_HOME, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE count.

    Raises:
        HubError: no such model, none or several files of ours in it, no network, not installed.
    """
    name = hub_name(path)
    if name is None:
        return Path(path)
    require_hub(str(name))
    with explained(str(name)), bars_if_watched():
        return _fetched(name)


@contextmanager
def bars_if_watched() -> Iterator[None]:
    """Let the library draw its bars on a terminal only, unless its variable says otherwise."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    chosen = "HF_HUB_DISABLE_PROGRESS_BARS" in os.environ
    if chosen or sys.stderr.isatty() or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _fetched(name: HubName) -> Path:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    api = HfApi(
        endpoint=os.environ.get("HF_ENDPOINT") or None,
        library_name="yolokit",
        library_version=__version__,
    )
    files: Collection[str]
    try:
        info = api.model_info(name.repo, revision=name.revision, timeout=_PATIENCE)
        files, cached = [each.rfilename for each in info.siblings or []], False
    except Exception as error:
        if not unreachable(error):
            raise
        files, cached = _cached_files(name), True
        if not isinstance(error, OfflineModeIsEnabled):  # who has set that knows
            print(f"note: the hub does not answer; {name} is as fetched before", file=sys.stderr)
    wanted = chosen_files(name, files)
    paths = [
        Path(api.hf_hub_download(name.repo, each, revision=name.revision, local_files_only=cached))
        for each in wanted
    ]
    return paths[0]


def _cached_files(name: HubName) -> Collection[str]:
    """What lies in the cache of a model.

    Raises:
        LocalEntryNotFoundError: nothing.
    """
    from huggingface_hub import snapshot_download

    folder = Path(
        snapshot_download(
            name.repo, revision=name.revision, allow_patterns=[], local_files_only=True
        )
    )
    return [each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()]


def chosen_files(name: HubName, files: Collection[str]) -> list[str]:
    """The model file that is meant, and what belongs to it.

    Args:
        name: as asked for.
        files: of the model on the hub, as paths with slashes.

    Raises:
        HubError: none, or several of which none is asked for.
    """
    if name.path is not None:
        asked = [name.path, f"{name.path}/{MODEL}", f"{name.path}/model.xml"]
        found = [each for each in asked if each in files]
        if not found:
            raise HubError(f"{name} has no file {name.path}. It has {_listed(files)}")
        found = found[:1]
    elif MODEL in files:
        found = [MODEL]
    else:
        found = [each for each in files if "/" not in each and each.endswith(_SUFFIXES)]
    if len(found) > 1:
        raise HubError(
            f"{name} has several models: {_listed(found)}. Give one: {name}/{sorted(found)[0]}"
        )
    if not found or not found[0].endswith(_SUFFIXES):
        raise HubError(
            f"{name} has no model of yolokit's, which is a {MODEL}, a .onnx or OpenVINO's .xml "
            f"with its .bin; others are not loaded. It has {_listed(files)}"
        )
    (file,) = found
    if not file.endswith(".xml"):
        return found
    weights = str(PurePosixPath(file).with_suffix(".bin"))
    if weights not in files:
        raise HubError(f"{name} has {file} without {weights}, its weights. Push both")
    return [file, weights]


def _listed(files: Collection[str]) -> str:
    from yolokit.plain_text import tamed

    shown = sorted(files)[:_SHOWN]
    return tamed(", ".join(shown) + (", …" if len(files) > _SHOWN else "")) or "nothing"
