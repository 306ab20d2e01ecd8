"""Checkpoints in released names, made of the weights of golden vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.published.golden import Vectors, weight_from_name
from models.checkpoints.importer import import_checkpoint
from tests import GOLDEN


def imported_outputs(folder: Path, method: str, file: str, array: str, **options: Any) -> tuple[Tensor, Tensor]:
    """What a method lifts with an imported checkpoint, and what the original did with the same weights."""
    with np.load(GOLDEN / f"{file}.npz") as stored:
        keys = json.loads(str(stored["keys"]))
    state = {f"module.{name}": torch.from_numpy(np.asarray(weight_from_name(name, shape))) for name, shape in keys}
    torch.save({"model_pos": state}, folder / "released.pth")
    lifter = import_checkpoint(folder / "released.pth", method, **options).build()
    vectors = Vectors(GOLDEN / f"{file}.npz")
    with torch.no_grad():
        return lifter.lift(vectors["x"])[:, None], torch.from_numpy(vectors.stored(array))
