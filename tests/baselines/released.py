"""What methods lift with imported weights, beside what the published implementations did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.config.registry import CHECKPOINTS
from models.checkpoints.importer import import_checkpoint
from tests.models.checkpoints.checkpoints import golden_checkpoint


def imported_outputs(folder: Path, method: str, file: str, array: str, **options: Any) -> tuple[Tensor, Tensor]:
    """What a method lifts with an imported checkpoint, and what the original did with the same weights."""
    path, vectors = golden_checkpoint(file, folder)
    lifter = import_checkpoint(path, CHECKPOINTS.load(method), **options).build()
    with torch.no_grad():
        return lifter.lift(vectors["x"])[:, None], vectors[array]
