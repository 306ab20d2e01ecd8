"""Golden vectors shared by the tests of this folder."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.bench.data import golden


def tensors(name: str) -> dict[str, Tensor]:
    """The numeric arrays of a golden file."""
    return {key: torch.from_numpy(value) for key, value in golden(name).items() if value.dtype.kind != "U"}
