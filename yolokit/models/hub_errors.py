"""What goes wrong with the Hugging Face hub, in one line that says what to do. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from yolokit.errors import HubError
from yolokit.plain_text import tamed, without_passwords

_LONGEST_REASON = 200  # characters of an error that quotes the library


def require_hub(what: str) -> None:
    """Refuse to go on without the library.

    Raises:
        HubError: with what to install.
    """
    if find_spec("huggingface_hub") is None:
        raise HubError(
            f"huggingface_hub is not installed, which {what} needs. pip install huggingface_hub"
        )


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn errors of the library into ours.

    Args:
        what: a model on the hub, as people write it.

    Raises:
        HubError: for each of them.
    """
    try:
        yield
    except HubError:
        raise
    except Exception as error:
        reason = _reason(error, what)
        if reason is None:
            raise
        raise HubError(reason) from error


def unreachable(error: BaseException) -> bool:
    """Whether nobody answered: no network, or none wanted.

    The library's own classes of such errors are those of httpx, in other versions of httpx2.
    """
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    if isinstance(error, HfHubHTTPError):
        return False
    named = type(error).__module__.partition(".")[0]
    return isinstance(error, OfflineModeIsEnabled | LocalEntryNotFoundError) or named in (
        "httpx",
        "httpx2",
    )


def _reason(error: Exception, what: str) -> str | None:
    from huggingface_hub import errors

    if unreachable(error):
        return (
            f"{what} is not in the cache here, and the hub cannot be asked ({brief(error)}). Look "
            "at the network, HF_ENDPOINT and HF_HUB_OFFLINE, or fetch it where there is a network"
        )
    if isinstance(error, errors.GatedRepoError):
        return f"{what} is gated. Ask for access on its page, then log in: hf auth login"
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"the hub has no {what}, or it is private. Look at the name; for a private one log in: "
            "hf auth login, or set HF_TOKEN"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{what} has no such revision. Give a branch, tag or commit of it"
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            return (
                f"the hub refuses {what} ({status}). Log in with a token that may do that: hf auth "
                "login, or set HF_TOKEN"
            )
        return f"the hub answers {status} for {what}. Look at HF_ENDPOINT, or try again later"
    if isinstance(error, ValueError):  # a name or a page that the hub does not take
        return f"the hub does not take {what} ({brief(error)}). Put that right first"
    return None


def brief(error: BaseException) -> str:
    """What an error says, on one line, without passwords."""
    text = without_passwords(tamed(" ".join(str(error).split())))
    return (text or type(error).__name__)[:_LONGEST_REASON]
