"""What ``mkdocs build`` does beside reading pages.

- Files of the repository that a page links to with ``../`` become part of the site, under
  ``repository/``, so that the same links work here and in a clone.
- ``configuration.md`` gets its tables, made from the program's own models.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
COPIED = "repository"  # folder of the site for what lies outside of docs/
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)\s#]+)(#[^)\s]*)?(?=\))")
_TABLES = "<!-- configuration tables -->"


def on_files(files: Files, config: Any) -> Files:
    """Add what pages link to outside of docs/, and what that links to."""
    pages = [file for file in files if file.is_documentation_page()]
    seen: set[str] = set()
    while pages:
        page = pages.pop()
        text = Path(page.abs_src_path).read_text(encoding="utf-8")
        for target in _outside(_home(page.src_uri), text):
            if target in seen or not (ROOT / target).is_file():
                continue
            seen.add(target)
            path = str(ROOT / target)
            added = File.generated(config, f"{COPIED}/{target}", abs_src_path=path)
            files.append(added)
            if added.is_documentation_page():
                pages.append(added)
    return files


def on_page_markdown(markdown: str, *, page: Any, files: Files, **_: Any) -> str:
    """Point links at their places in the site; fill in the tables of settings."""
    home, here = _home(page.file.src_uri), posixpath.dirname(page.file.src_uri)

    def moved(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(home, match[1]))
        in_site = _in_site(target)
        if files.get_file_from_path(in_site) is None:
            return match[0]
        return posixpath.relpath(in_site, here or ".") + (match[2] or "")

    if _TABLES in markdown:
        markdown = markdown.replace(_TABLES, _configuration())
    return _LINK.sub(moved, markdown)


def _home(src_uri: str) -> str:
    """The folder of the repository that a page's links start from."""
    inside = src_uri.startswith(f"{COPIED}/")
    path = src_uri.removeprefix(f"{COPIED}/") if inside else f"docs/{src_uri}"
    return posixpath.dirname(path)


def _in_site(target: str) -> str:
    """The path in the site's sources of a path in the repository."""
    inside = target.startswith("docs/")
    return target.removeprefix("docs/") if inside else f"{COPIED}/{target}"


def _outside(home: str, text: str) -> list[str]:
    """What a page links to, as paths in the repository, without what lies in docs/."""
    targets = [posixpath.normpath(posixpath.join(home, link)) for link, _ in _LINK.findall(text)]
    return [each for each in targets if not each.startswith(("docs/", "../"))]


def _configuration() -> str:
    sys.path[:0] = [str(ROOT), str(ROOT / "docs")]
    try:
        from configuration_tables import configuration_tables
    finally:
        del sys.path[:2]
    return configuration_tables((ROOT / "configs/reference.yaml").read_text(encoding="utf-8"))
