"""paths – where things are that tests read."""

import os
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("MAILVET_SHARED", REPO.parent / "shared"))  # data that is not part of the project
