"""Golden case of the optimiser Ranger."""

from __future__ import annotations

import torch

from models.optim.ranger import Ranger
from tests.parity.vectors import Case, Limit, Outputs, Vectors


def ranger_steps(vectors: Vectors) -> Outputs:
    """The parameters after every step with recorded gradients, the learning rate changed halfway."""
    parameter = torch.from_numpy(vectors.array("start")).clone().requires_grad_()
    optimizer = Ranger([parameter], lr=vectors.config["lr"])
    grads = torch.from_numpy(vectors.array("grads"))
    after = []
    for step, grad in enumerate(grads):
        if step == len(grads) // 2:
            optimizer.param_groups[0]["lr"] = vectors.config["lr_second_half"]
        parameter.grad = grad
        optimizer.step()
        after.append(parameter.detach().clone())
    return {"after": torch.stack(after)}


CASES = {"Ranger optimiser steps": Case(ranger_steps, ((r".*", Limit(1e-6)),))}
