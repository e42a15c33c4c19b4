"""``huggingface_hub`` pointed at a hub of the test's, with a cache of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hub_server import TOKEN, Hub, running_hub

NOBODY = "http://127.0.0.1:9"  # the port "discard", where nothing listens


@contextmanager
def hub_at_home(home: Path, *, token: str | None = TOKEN) -> Iterator[Hub]:
    """A hub that the library asks in this process, and in others that are started.

    It reads its variables when it is imported, which others may have done before.

    Args:
        home: for the cache and what else it keeps.
        token: of who is logged in; None for nobody.
    """
    with running_hub() as hub, pytest.MonkeyPatch.context() as patch:
        point_at(patch, hub.url, home)
        patch.setenv("HF_TOKEN", token) if token else patch.delenv("HF_TOKEN", raising=False)
        yield hub


def point_at(patch: pytest.MonkeyPatch, url: str, home: Path) -> None:
    """Let the library ask a hub at an address, and none of its other storages."""
    from huggingface_hub import constants

    template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    for name, value in {
        "ENDPOINT": url,
        "HUGGINGFACE_CO_URL_TEMPLATE": template,
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_DISABLE_TELEMETRY": True,
        "HF_HUB_OFFLINE": False,
    }.items():
        patch.setattr(constants, name, value)
    patch.setenv("HF_ENDPOINT", url)
    patch.setenv("HF_HOME", str(home))
    patch.setenv("HF_HUB_DISABLE_XET", "1")
    patch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN_PATH", "HUGGING_FACE_HUB_TOKEN"):
        patch.delenv(name, raising=False)
