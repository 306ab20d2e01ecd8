"""Checkpoints in the published names, made from golden vectors."""

from __future__ import annotations

from pathlib import Path

import torch

from baselines.published.golden import Vectors, weight_from_name
from tests import GOLDEN


def golden_checkpoint(name: str, folder: Path) -> tuple[Path, Vectors]:
    """A file with the published entries of ``tests/parity/golden/NAME.npz``, and those vectors."""
    vectors = Vectors(GOLDEN / f"{name}.npz")
    state = {f"module.{key}": torch.from_numpy(weight_from_name(key, shape)) for key, shape in vectors.keys}
    path = folder / f"{name}.bin"
    torch.save({"model_pos": state}, path)
    return path, vectors
