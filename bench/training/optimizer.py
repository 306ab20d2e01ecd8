"""The optimiser that a recipe names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from bench.training.recipe import TrainingRecipe
from models.optim.ranger import Ranger


def build_optimizer(parameters: Sequence[torch.nn.Parameter], recipe: TrainingRecipe) -> torch.optim.Optimizer:
    """The optimiser of these parameters, at the learning rate of the first epoch."""
    usual: dict[str, Any] = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "ranger":
        return Ranger(parameters, **usual)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(parameters, **usual, fused=True)
    return torch.optim.Adam(parameters, **usual, amsgrad=recipe.optimizer == "amsgrad", fused=True)
