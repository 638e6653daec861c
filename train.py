"""``python train.py RECIPE [PART.yaml ...] [key=value ...]`` is ``hrs train`` with the same words."""

import sys

from hrs_keras.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
