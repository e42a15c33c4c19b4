"""The files of the page, by the path at which a browser asks for them."""

from __future__ import annotations

from importlib.resources import files

_SCRIPTS = ("page", "boxes", "cards", "server", "films", "camera", "watch")
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    **{f"/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8") for name in _SCRIPTS},
}


def page_files() -> dict[str, tuple[bytes, str]]:
    """Path -> a file's bytes, and the type of its content."""
    folder = files("yolokit.serving") / "page"
    return {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in _FILES.items()}
