"""Tests of bench.data, and where they find their files."""

from __future__ import annotations

import numpy as np

from tests import GOLDEN, SHARED

CMU = SHARED / "data" / "cmu_h36m_format"


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / name) as archive:
        return {key: archive[key] for key in archive.files}
