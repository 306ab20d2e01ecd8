"""Sequences of random poses, packed as a reader packs them."""

from __future__ import annotations

import numpy as np

from bench.data.sequence import Sequence

TAKE_FRAMES, CAMERAS = 1800, 4
INTRINSICS = np.array([2.3, 2.3, 0, 0, -0.2, 0.2, 0, 0, 0], dtype=np.float32)


def made_up_sequences(frames: int) -> list[Sequence]:
    """Takes of half a minute in four cameras, ``frames`` in all, as many as Human3.6M has at 1.5 million."""
    rng = np.random.default_rng(0)
    pose_2d = rng.standard_normal((frames, 17, 2), dtype=np.float32)
    pose_3d = rng.standard_normal((frames, 17, 3), dtype=np.float32)
    trajectory = rng.standard_normal((frames, 3), dtype=np.float32)
    found = []
    for number, first in enumerate(range(0, frames, TAKE_FRAMES)):
        rows = slice(first, first + TAKE_FRAMES)
        take, camera = divmod(number, CAMERAS)
        subject, action = f"S{1 + take % 7}", f"{('Walking', 'Sitting', 'Eating')[take % 3]} {take // 21}"
        parts = (pose_2d[rows], pose_3d[rows], trajectory[rows])
        found.append(Sequence(subject, action, f"c{camera}", 50.0, *parts, INTRINSICS, 1000, 1000))
    return found
