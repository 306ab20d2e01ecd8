"""Tests of bench.data, and where they find their files."""

from __future__ import annotations

import numpy as np

from bench.data.sequence import Sequence
from tests import GOLDEN, SHARED

CMU = SHARED / "data" / "cmu_h36m_format"


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / name) as archive:
        return {key: archive[key] for key in archive.files}


def make_sequence(
    length: int, subject: str = "S1", action: str = "Walking", camera: str = "a", joints: int = 17
) -> Sequence:
    """A sequence of so many frames of random numbers."""
    rng = np.random.default_rng(length)
    return Sequence(
        subject, action, camera, 50.0,
        rng.standard_normal((length, joints, 2)).astype(np.float32),
        rng.standard_normal((length, joints, 3)).astype(np.float32),
        rng.standard_normal((length, 3)).astype(np.float32),
        rng.standard_normal(9).astype(np.float32),
        1000, 1002,
    )  # fmt: skip
