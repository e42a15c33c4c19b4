"""The site of the docs builds without a warning and without network, and loads no other host."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_blocks import ROOT, blocks

from yolokit.config import Config
from yolokit.heads.family import HEADS

TOY = ROOT / "tests/heads/toy_head"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Imported by every Python that starts: whoever asks another host ends with an error.
NO_NETWORK = """
import socket

def refuse(self, address, *rest):
    raise AssertionError(f"asks for {address}")

socket.socket.connect = socket.socket.connect_ex = refuse
"""


class _Assets(HTMLParser):
    """What a page makes a browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            loads = name in ("src", "srcset", "poster", "data") or (name, tag) == ("href", "link")
            if loads and value:
                self.loaded.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; skips where mkdocs is not installed."""
    for package in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        pytest.importorskip(package, reason="the extra docs is not installed: .[docs]")
    folder = tmp_path_factory.mktemp("site")
    (folder / "hooks").mkdir()
    (folder / "hooks/sitecustomize.py").write_text(NO_NETWORK)
    path = os.pathsep.join([str(folder / "hooks"), str(ROOT)])
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder / "site"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "NO_MKDOCS_2_WARNING": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    return folder / "site"


@pytest.mark.slow
def test_the_site_loads_nothing_from_other_hosts(site: Path) -> None:
    for page in site.rglob("*.html"):
        assets = _Assets()
        assets.feed(page.read_text(encoding="utf-8"))
        assert assets.loaded, page
        assert [each for each in assets.loaded if re.match(r"(?:\w+:)?//", each)] == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )['\"]?(?:https?:)?//", sheet.read_text("utf-8"))


@pytest.mark.slow
def test_every_page_of_the_docs_is_in_the_site(site: Path) -> None:
    for page in (ROOT / "docs").glob("*.md"):
        place = site if page.stem == "index" else site / page.stem
        assert (place / "index.html").is_file(), page
    assert (site / "repository/LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    chinese = (site / "repository/README.zh-CN/index.html").read_text(encoding="utf-8")
    assert "用自己的数据训练" in chinese


@pytest.mark.slow
def test_the_interface_is_written_from_docstrings(site: Path) -> None:
    page = (site / "api/index.html").read_text(encoding="utf-8")
    for name in ("yolokit.api.train", "yolokit.model.Model.predict", "yolokit.errors.ExportError"):
        assert f'id="{name}"' in page, name


@pytest.mark.slow
def test_a_browser_asks_no_other_host_and_finds(site: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if browser is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is on the PATH")
    with _Served(site) as address, playwright.sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path=browser,
            args=[
                *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
                *("--disable-component-update", "--disable-sync"),
            ],
        )
        page = chromium.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.goto(address)
        page.locator("input.md-search__input").click()
        page.keyboard.type("threshold")
        page.locator("a.md-search-result__link").first.wait_for()
        page.goto(f"{address}configuration/")
        assert page.locator("code", has_text="early_stopping").count() >= 1
        chromium.close()
    assert [url for url in asked if not url.startswith((address, "blob:", "data:"))] == []
    assert [each for each in said if each.startswith("error")] == []


class _Served:
    """A folder over HTTP on a free port of this machine."""

    def __init__(self, folder: Path) -> None:
        quiet = type(
            "Quiet",
            (http.server.SimpleHTTPRequestHandler,),
            {"log_message": lambda *_: None},
        )
        handler = functools.partial(quiet, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}/"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def tables() -> str:
    """The tables of settings, without a site."""
    path = ROOT / "docs/configuration_tables.py"
    spec = importlib.util.spec_from_file_location("configuration_tables", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: str = module.configuration_tables((ROOT / "configs/reference.yaml").read_text("utf-8"))
    return made


def _leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@pytest.mark.parametrize("head", HEADS)
def test_the_tables_hold_every_setting_and_its_default(tables: str, head: str) -> None:
    heading = {"model.head.": f"model.head, of type {head}", "model.backbone.": "model.backbone"}
    sections = {each.partition("\n")[0]: each for each in tables.split("## ")}
    tree = Config.model_validate({"model": {"head": head}}).model_dump(mode="json")
    for key, value in _leaves(tree):
        top = next((each for each in heading if key.startswith(each)), f"{key.partition('.')[0]}.")
        section = sections[heading.get(top, top[:-1])]
        (row,) = re.findall(
            rf"^\| `{re.escape(key.removeprefix(top))}` \|.*", section, re.MULTILINE
        )
        cells = [each.strip() for each in re.split(r"(?<!\\)\|", row)[1:-1]]
        assert yaml.safe_load(cells[2].strip("`")) == value, row
        assert len(cells) == 4 and cells[1] and cells[3], row


def test_the_head_of_the_page_is_the_one_that_is_tested() -> None:
    shown = [b.text for b in blocks(ROOT / "docs/add-a-head.md") if b.language == "python"]
    names = ("config.py", "family.py", "head.py")
    assert shown[: len(names)] == [(TOY / name).read_text(encoding="utf-8") for name in names]
