"""paths – the directories of the repository and of the data shared beside it."""

import os
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("MAILVET_SHARED", REPO.parent / "shared"))  # data that is not part of the project
