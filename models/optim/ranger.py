"""Ranger: rectified Adam (arXiv:1908.03265) with look-ahead (arXiv:1907.08610)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

LEAST_RECTIFIED = 5.0
"""Approximated length of the moving average below which its variance is too large to adapt the step by it."""
BETAS = (0.95, 0.999)
"""Decay of the averages of the gradient and of its square."""
EPS = 1e-5
"""Added to the root of the second average."""
LOOK_AHEAD_EVERY = 6
LOOK_AHEAD = 0.5
"""How far the slow weights move towards the fast ones, as a share of the difference."""


class Ranger(Optimizer):
    """Rectified Adam, whose every sixth step ends halfway between the slow weights and the fast ones.

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        weight_decay: decoupled, as AdamW's.
    """

    def __init__(self, params: Iterable[Any], lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient; a function that computes the loss again is not called."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["slow"] = parameter.clone()
        state["step"] += 1
        first, second = BETAS
        mean = state["mean"].mul_(first).add_(grad, alpha=1 - first)
        square = state["square"].mul_(second).addcmul_(grad, grad, value=1 - second)
        size, adapted = _step_size(state["step"])
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        direction = mean / (square.sqrt() + EPS) if adapted else mean
        parameter.add_(direction, alpha=-group["lr"] * size)
        if state["step"] % LOOK_AHEAD_EVERY == 0:
            parameter.copy_(state["slow"].lerp_(parameter, LOOK_AHEAD))


def _step_size(step: int) -> tuple[float, bool]:
    """Factor on the step, and whether the step is divided by the root of the average of squares."""
    first, second = BETAS
    longest = 2 / (1 - second) - 1
    kept = second**step
    length = longest - 2 * step * kept / (1 - kept)
    unbiased = 1 / (1 - first**step)
    if length <= LEAST_RECTIFIED:
        return unbiased, False
    variance = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    return unbiased * math.sqrt((1 - kept) * variance), True
