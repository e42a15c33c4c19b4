"""``python tools/serve.py …``: the same as ``yolokit serve …``."""

import sys

from yolokit.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
