"""Tests, room by room as the packages; and where their files lie."""

import os
from pathlib import Path

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "parity" / "golden"
"""Recorded outputs of the published implementations."""
SHARED = Path(os.environ.get("BENCH_SHARED", ROOT.parent / "shared"))
"""Files beside the repository that some tests read; they are skipped where it is missing."""
