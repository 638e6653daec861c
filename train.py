"""``python train.py RECIPE [key=value ...]`` is ``hrs train RECIPE [key=value ...]``."""

import sys

from hrs_keras.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
