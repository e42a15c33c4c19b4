"""``python tools/env.py …``: the same as ``yolokit env …``."""

import sys

from yolokit.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["env", *sys.argv[1:]]))
