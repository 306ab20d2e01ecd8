"""Tests of bench.data, and where they find their files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("BENCH_SHARED", ROOT.parent / "shared"))
CMU = SHARED / "data" / "cmu_h36m_format"


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(ROOT / "tests" / "golden" / name) as archive:
        return {key: archive[key] for key in archive.files}
