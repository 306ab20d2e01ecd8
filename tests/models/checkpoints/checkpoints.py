"""Checkpoints in the published names, made from golden vectors."""

from __future__ import annotations

from pathlib import Path

import torch

from tests import GOLDEN
from tests.parity.vectors import Vectors, weight_from_name


def golden_checkpoint(name: str, folder: Path) -> tuple[Path, Vectors]:
    """A file with the published entries of ``tests/parity/golden/NAME.npz``, and those vectors."""
    vectors = Vectors(GOLDEN / f"{name}.npz")
    state = {f"module.{key}": torch.as_tensor(weight_from_name(key, shape)) for key, shape in vectors.keys}
    path = folder / f"{name}.bin"
    torch.save({"model_pos": state}, path)
    return path, vectors
