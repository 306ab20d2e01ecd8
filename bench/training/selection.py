"""Choosing a checkpoint: the error on takes that are not trained on, watched while a training runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from bench.config.experiment import Selection
from bench.data.windows import Windows
from bench.measure import memory
from bench.protocol.metrics import mpjpe
from models.lifter import Lifter, Sampling

VALIDATION_WINDOWS, VALIDATION_BATCH = 64, 32
LEAST_CHECKS = 10
"""Validations over a training; more where it has more epochs, each of which ends with one."""

RULE = {"windows": VALIDATION_WINDOWS, "checks": LEAST_CHECKS}
"""What decides which checkpoint is chosen, beside the takes; part of a training's identity."""


@dataclass
class Choice:
    """A checkpoint of a training: by which rule it is chosen, on what, and where its weights are kept.

    Attributes:
        selection: the rule.
        validation: evaluation windows of the takes that choose.
        folder: of the finished weights.
        errors: (epoch, MPJPE in mm) of every check so far.
    """

    selection: Selection
    validation: Windows
    folder: Path
    errors: list[tuple[float, float]] = field(default_factory=list)

    @property
    def looks(self) -> bool:
        """Whether errors decide."""
        return self.selection != "last" and len(self.validation) > 0

    def check(self, lifter: Lifter, epoch: float, device: torch.device) -> bool:
        """Note the error now; whether it is the lowest so far."""
        error = _validation_error(lifter, self.validation, device)
        lowest = all(error < earlier for _, earlier in self.errors)
        self.errors.append((epoch, error))
        return lowest

    def chosen(self, last: float) -> float:
        """The epoch of the chosen weights; ``last``: of the end."""
        return min(self.errors, key=lambda entry: entry[1])[0] if self.errors else last


def _validation_error(lifter: Lifter, validation: Windows, device: torch.device) -> float:
    """MPJPE (mm) over a fixed subset of the validation windows, one hypothesis after one step."""
    rows = validation.subset(min(VALIDATION_WINDOWS, len(validation)))

    def error_in_batches(size: int) -> float:
        return _mean_error(lifter, validation, np.array_split(rows, -(-len(rows) // size)), device)

    return memory.first_that_fits(error_in_batches, memory.halving(VALIDATION_BATCH))


@torch.inference_mode()
def _mean_error(lifter: Lifter, validation: Windows, parts: list[np.ndarray], device: torch.device) -> float:
    lifter.eval()
    total, frames = 0.0, 0
    for part in parts:
        batch = validation.batch(part).to(device)
        predicted = lifter.predict(batch, Sampling(hypotheses=1, steps=1, flip=False))[:, -1, 0]
        assert batch.pose_3d is not None
        errors = mpjpe(predicted, batch.pose_3d)
        counts = torch.as_tensor(validation.counts(part), device=device)
        total += errors[counts].double().sum().item()
        frames += int(counts.sum())
    return total / frames
