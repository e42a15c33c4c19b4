"""Who may ask a server, and what browsers may do with its answers. Needs Python alone.

A page of a stranger must not use the server through a visitor's browser. Its requests carry an
Origin that is not ours; and where its name was made to point to this machine (DNS rebinding), a
Host that nobody gave us. Addresses of digits cannot be rebound.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

_SAFE = ("GET", "HEAD", "OPTIONS")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


def problem(
    *, host: str, origin: str | None, method: str, names: Collection[str] = ()
) -> str | None:
    """Why a request is not served, or None.

    Args:
        host: its Host; empty where it has none.
        origin: its Origin; None where it has none, as of what is no browser.
        method: of HTTP; those that change nothing may come from any page, which cannot read it.
        names: in small letters: under which the server may be asked, beside addresses of digits
            and ``localhost``. Of another port their pages are others' pages, unless none is said:
            a proxy's.
    """
    if not _is_ours(_name_of(f"//{host}"), names):
        return (
            f"this server is not known as {host!r}. Ask it by its address, or start it with "
            "--allow-host NAME"
        )
    if method in _SAFE or origin is None:
        return None
    netloc = urlsplit(origin).netloc
    if netloc == host or netloc.lower().rstrip(".") in names:
        return None
    return f"pages of {origin!r} may not use this server"


def _is_ours(name: str, names: Collection[str]) -> bool:
    if name == "localhost" or name.endswith(".localhost") or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _name_of(address: str) -> str:
    """The host that an address names, without its port; empty where there is none."""
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""
