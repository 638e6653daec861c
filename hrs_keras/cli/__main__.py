"""``python -m hrs_keras.cli``."""

import sys

from hrs_keras.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
