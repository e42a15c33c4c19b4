"""``python tools/track.py …``: the same as ``yolokit track …``."""

import sys

from yolokit.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["track", *sys.argv[1:]]))
