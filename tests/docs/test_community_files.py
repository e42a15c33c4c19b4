"""What a repository's site reads: the citation, the forms of issues, the policy on security."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_blocks import ROOT

from yolokit._version import __version__

FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml"))


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_citation_is_of_this_version_and_licence() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    citation = _yaml(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # all that are required
    assert citation["version"] == __version__
    assert citation["license"] == setup["metadata"]["license"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_has_what_github_asks_of_it(path: Path) -> None:
    form = _yaml(path)
    assert {"name", "description", "body"} <= set(form)
    kinds = {"markdown", "textarea", "input", "dropdown", "checkboxes"}
    assert {part["type"] for part in form["body"]} <= kinds
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids))
    assert [part for part in form["body"] if part.get("validations", {}).get("required")]


def test_a_bug_comes_with_the_environment() -> None:
    labels = [part["attributes"].get("label", "") for part in _yaml(FORMS[0])["body"]]
    assert "What does `yolokit env` print?" in labels


def test_no_pickle_is_read_but_as_tensors() -> None:
    """As SECURITY.md says."""
    for path in (ROOT / "yolokit").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        calls = re.findall(r"\btorch\.load\((?:[^()]|\([^()]*\))*\)", text)
        assert [call for call in calls if "weights_only=True" not in call] == [], path
        assert not re.search(r"^\s*(?:import|from) pickle\b", text, re.MULTILINE), path
