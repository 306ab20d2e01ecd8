"""Golden cases of the optimisers, step by step."""

from __future__ import annotations

import torch
from torch import nn

from bench.config.experiment import TrainingSpec
from bench.training.optimizer import build_optimizer
from bench.training.recipe import fill_in
from models.lifter import Recipe
from models.optim import OptimizerName, learning_rate
from tests.parity.vectors import Case, Limit, Outputs, Vectors

STEPS_OF_ONE_RATE = 5


def optimizers(vectors: Vectors) -> Outputs:
    """Weights after every step; one without a gradient changes nothing."""
    return {f"after_{name}": _steps(vectors, stated) for name, stated in vectors.config["optimizers"].items()}


def _steps(vectors: Vectors, stated: dict) -> torch.Tensor:
    decay = stated["decay_every_5_steps"]
    weight_decay = stated.get("weight_decay", 0.0)
    plain = Recipe(1, 1, stated["lr"], decay, weight_decay, optimizer=_name(stated))
    weight = nn.Parameter(vectors["start"].clone())
    optimizer = build_optimizer([weight], fill_in(TrainingSpec(), plain))
    after = []
    for step, (grad, absent) in enumerate(zip(vectors["grads"], vectors["no_gradient"], strict=True)):
        epochs = step // STEPS_OF_ONE_RATE
        optimizer.param_groups[0]["lr"] = learning_rate("exponential", stated["lr"], decay, epochs, epochs + 1)
        weight.grad = None if absent else grad.clone()
        optimizer.step()
        after.append(weight.detach().clone())
    return torch.stack(after)


def _name(stated: dict) -> OptimizerName:
    if stated["optimizer"] == "AdamW":
        return "adamw"
    return "amsgrad" if stated.get("amsgrad") else "adam"


CASES = {"optimiser steps": Case(optimizers, ((r"after_.*", Limit(1e-6)),))}
