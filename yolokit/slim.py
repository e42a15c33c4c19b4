"""What to install to use exported models without PyTorch: ``python -m yolokit.slim > slim.txt``.

pip knows no extra that leaves something out, so that what this prints is installed, and yolokit
itself with ``--no-deps``. It is taken from ``setup.cfg`` in a checkout, installed or not, else from
the installed metadata, and needs Python alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from configparser import ConfigParser
from importlib.metadata import requires
from pathlib import Path

# What only training and model files of torch's need: everything else is kept.
TRAINING = ("torch", "torchvision", "lightning", "albumentations", "safetensors", "scipy", "tqdm")
EXTRAS = ("onnx", "openvino", "serve")  # two kinds of exported models, and a server


def slim_requirements(requirements: Iterable[str], extras: Sequence[str]) -> list[str]:
    """The requirements that remain without training, as pip reads them.

    Args:
        requirements: as ``importlib.metadata.requires`` gives them; of an extra with its marker.
        extras: what shall be run, of ``EXTRAS``.
    """
    return [line for line in _asked_for(requirements, extras) if name_of(line) not in TRAINING]


def declared_requirements() -> list[str]:
    """All requirements of yolokit; those of an extra say so in their marker."""
    setup = ConfigParser()
    setup.read(Path(__file__).parents[1] / "setup.cfg", encoding="utf-8")
    if setup.get("metadata", "name", fallback="") != "yolokit":
        return requires("yolokit") or []
    lines = setup["options"]["install_requires"].split("\n")
    for name, text in setup["options.extras_require"].items():
        lines += [f'{line}; extra == "{name}"' for line in text.split("\n") if line]
    return [line for line in lines if line]


def name_of(requirement: str) -> str:
    """The package that a requirement is of, in small letters."""
    found = re.match(r"[\w.-]+", requirement)
    return found[0].lower() if found else ""


def _asked_for(requirements: Iterable[str], extras: Sequence[str]) -> Iterator[str]:
    for line in requirements:
        extra = re.search(r"""\bextra\s*==\s*["']([\w-]+)["']""", line)
        if extra is None:
            yield line
        elif extra[1] in extras:
            yield line.partition(";")[0].strip()


def main(extras: Sequence[str]) -> int:
    """Print what is needed for some extras, by default to run ``.onnx`` files.

    Returns:
        The exit status: 0, or 2 for what is no such extra.
    """
    unknown = [each for each in extras if each not in EXTRAS]
    if unknown:
        print(f"error: no extra {unknown[0]!r}. Name {' or '.join(EXTRAS)}", file=sys.stderr)
        return 2
    print("\n".join(slim_requirements(declared_requirements(), extras or EXTRAS[:1])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
