"""The command asks PyTorch for huge pages; importing yolokit changes no environment."""

import os
import subprocess
import sys

import pytest

SHOW = "import os; print(os.environ.get('THP_MEM_ALLOC_ENABLE'))"
COMMAND = f"from yolokit.cli.main import main; main(['--version']); {SHOW}"


def shown(code: str, given: str | None) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "THP_MEM_ALLOC_ENABLE"}
    if given is not None:
        environment["THP_MEM_ALLOC_ENABLE"] = given
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return ran.stdout.split()[-1]


@pytest.mark.parametrize(("given", "expected"), [(None, "1"), ("0", "0")])
def test_huge_pages_are_asked_for_unless_the_user_decided(given: str | None, expected: str) -> None:
    assert shown(COMMAND, given) == expected


def test_an_import_sets_nothing() -> None:
    assert shown(f"import yolokit; {SHOW}", None) == "None"
