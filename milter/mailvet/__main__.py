"""__main__ – `python -m mailvet` is the same as `mailvet`."""

import sys

from mailvet.commands.cli import main

sys.exit(main())
