"""torchvision's models come without torch's compiler, and the compiler comes when it is asked."""

from __future__ import annotations

import subprocess
import sys


def run(program: str) -> str:
    """In a fresh interpreter: what this one has imported says nothing."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_compiler_is_not_loaded_and_nothing_of_it_stays_behind() -> None:
    program = """
import sys
from yolokit.backbones.torchvision_models import get_model
get_model("squeezenet1_1")
print([name for name in sys.modules if name.startswith("torch._dynamo")])
from torchvision.ops import roi_align
answer = sys.modules["torchvision.ops.roi_align"].is_compile_supported("cpu")
import torch._dynamo
from torch._dynamo.utils import is_compile_supported
print(answer == is_compile_supported("cpu"), hasattr(torch._dynamo, "optimize"))
"""
    assert run(program) == "[]\nTrue True"


def test_who_asks_for_the_compiler_meanwhile_gets_it() -> None:
    program = """
import sys
from yolokit.backbones import torchvision_models as lean
with lean._without_compiler():
    from torch._dynamo.utils import is_compile_supported, counters
    import torch._dynamo.config
    import torch._dynamo
    print(type(counters).__name__, hasattr(torch._dynamo, "optimize"))
print(type(sys.modules["torch._dynamo"]) is type(sys), is_compile_supported("cpu") in (True, False))
"""
    assert run(program) == "defaultdict True\nTrue True"
