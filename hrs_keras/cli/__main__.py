"""``python -m hrs_keras.cli``."""

import sys

from hrs_keras.cli.main import main

sys.exit(main())
