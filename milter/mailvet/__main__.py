"""__main__ – `python -m mailvet` is the same as `mailvet`."""

import sys

from mailvet.cli import main

sys.exit(main())
