"""The command's process keeps memory that it frees; an import changes nothing of the process."""

import os
import subprocess
import sys

import pytest
from platforms import needs_glibc

# A tensor of 64 MB, made and freed over and over: pages that the system had to give out meanwhile.
FAULTS = """
import resource
def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
b"x" * 2**26
before = pages()
for _ in range(10):
    b"x" * 2**26
print((pages() - before) * resource.getpagesize() / 2**26)
"""
COMMAND = "from yolokit.cli.main import main; main(['--version'])"


def tensors_given_out(code: str, **chosen: str) -> float:
    """How many of ten tensors' memory came from the system anew."""
    environment = {k: v for k, v in os.environ.items() if "MALLOC" not in k and "GLIBC" not in k}
    ran = subprocess.run(
        [sys.executable, "-c", code + FAULTS],
        env=environment | chosen,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(ran.stdout.split()[-1])


@needs_glibc
def test_the_command_takes_a_freed_tensors_memory_again() -> None:
    assert tensors_given_out(COMMAND) < 0.1


@needs_glibc
@pytest.mark.parametrize("code", ["import yolokit", COMMAND])
def test_imports_and_a_user_who_decided_are_left_alone(code: str) -> None:
    decided = {} if code == "import yolokit" else {"MALLOC_MMAP_THRESHOLD_": "131072"}
    assert tensors_given_out(code, **decided) == pytest.approx(10, abs=0.1)
