"""What training computes: its loss, the operations of a step, and how many steps a budget pays for."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial

from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from bench.measure.counts import count_flops
from models.errors import InputError, quoted
from models.lifter import Batch, Lifter

COUNTED_STEPS = 16
"""Steps that are looked at. They differ where texts do: FinePOSE encodes those of a batch's actions."""


def one_number(loss: object, lifter: Lifter) -> Tensor:
    """The loss that this method gave.

    Raises:
        InputError: it is not a tensor with one number.
    """
    if isinstance(loss, Tensor) and loss.dim() == 0:
        return loss
    found = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else quoted(loss)
    raise InputError(
        f"{lifter.title}: training_loss gave {found}, expected a tensor with one number (shape ()); take the mean"
    )


def step_flops(lifter: Lifter, batches: Sequence[Batch]) -> float:
    """Operations of a training step, forward and backward: the mean over these batches.

    Counted as in ``bench.measure.counts``, on a copy of the method; of a method that reads no action, once for
    each number of windows. Fused attention is computed in its plain form, so that the number is the same on every
    device. What is computed once and kept is computed before. ``lifter`` is as before its first step, and
    ``batches`` are where it is.
    """
    twin = copy.deepcopy(lifter).train()
    twin.on_progress(0.0)

    def step(batch: Batch) -> None:
        one_number(twin.training_loss(batch), lifter).backward()

    counted: dict[int, int] = {}
    keys = [number if lifter.uses_action else len(batch.pose_2d) for number, batch in enumerate(batches)]
    with sdpa_kernel(SDPBackend.MATH):
        step(batches[0])
        for key, batch in zip(keys, batches, strict=True):
            if key not in counted:
                counted[key] = count_flops(partial(step, batch))
    return sum(counted[key] for key in keys) / len(batches)


def affordable_steps(compute: float, flops: float) -> int:
    """Steps of so many operations each that ``compute`` TFLOP pay for, to the nearest step; at least one."""
    return max(1, round(compute * 1e12 / flops))
