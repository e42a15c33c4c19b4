"""``python -m yolokit``: the same as the ``yolokit`` command."""

from __future__ import annotations

import sys

from yolokit.cli.main import main

if __name__ == "__main__":  # worker processes started by "spawn" import this file again
    sys.exit(main())
