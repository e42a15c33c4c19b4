"""That importing yolokit asks PyTorch for huge pages, before torch can have read the setting."""

import os
import subprocess
import sys

import pytest

SHOW = "import sys, os, yolokit; print(os.environ['THP_MEM_ALLOC_ENABLE'], 'torch' in sys.modules)"


@pytest.mark.parametrize(("given", "expected"), [(None, "1"), ("0", "0")])
def test_huge_pages_are_asked_for_unless_the_user_decided(given: str | None, expected: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "THP_MEM_ALLOC_ENABLE"}
    if given is not None:
        environment["THP_MEM_ALLOC_ENABLE"] = given
    ran = subprocess.run(
        [sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == [expected, "False"]
