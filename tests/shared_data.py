"""Where the data that is not part of the project lies, and what skips a test where it is missing."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("TEXTMILL_SHARED", ROOT.parent / "shared"))
CORPORA = SHARED / "data"
TROUBLE = SHARED / "trouble"

needs_corpora = pytest.mark.skipif(not CORPORA.is_dir(), reason=f"no real corpora at {CORPORA}")
needs_trouble = pytest.mark.skipif(not TROUBLE.is_dir(), reason=f"no trouble inputs at {TROUBLE}")
