"""Selecting a checkpoint by its error on takes that it is not trained on, while a training runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from bench.config.experiment import ActionLabels, Selection
from bench.data.windows import Windows
from bench.devices import precision_of_sums
from bench.measure import memory
from bench.protocol.evaluate import predict_batches
from bench.protocol.metrics import mpjpe
from bench.training.best import best_check
from bench.training.recipe import TrainingRecipe
from models.lifter import Lifter, Sampling

VALIDATION_WINDOWS, VALIDATION_BATCH = 64, 32
LARGE_VALIDATION_WINDOWS = 256
"""Where a recipe gives the compute of a training: with 64, the lowest of ten errors is partly chance."""

LEAST_CHECKS = 10
"""A training validates at least so often, and at the end of every epoch."""

RULE = {"windows": VALIDATION_WINDOWS, "checks": LEAST_CHECKS}
"""What the selection depends on, apart from the takes and the recipe; part of a training's identity."""


def validation_windows(recipe: TrainingRecipe) -> int:
    """How many windows a training of this recipe validates on."""
    return VALIDATION_WINDOWS if recipe.compute is None else LARGE_VALIDATION_WINDOWS


@dataclass
class CheckpointSelector:
    """Decides which weights of a training are kept.

    Attributes:
        selection: "last", or by the error on takes of the training subjects or of the test subjects.
        validation: evaluation windows of these takes.
        folder: where the finished weights are kept.
        errors: (epoch, MPJPE in mm) of every validation so far.
        batch: windows at once; less than at first where memory ran out.
        labels: the action labels that a method which reads them is given.
        windows: that are validated on, evenly spread.
    """

    selection: Selection
    validation: Windows
    folder: Path
    errors: list[tuple[float, float]] = field(default_factory=list)
    batch: int = VALIDATION_BATCH
    labels: ActionLabels = "given"
    windows: int = VALIDATION_WINDOWS

    @property
    def needs_validation(self) -> bool:
        """Whether the weights are selected by their error."""
        return self.selection != "last" and len(self.validation) > 0

    def update(self, lifter: Lifter, epoch: float, device: torch.device) -> bool:
        """Validate the weights as they are now; whether their error is the lowest so far.

        An error that is no number selects nothing, and is not kept.
        """
        error = memory.first_that_fits(partial(self._error, lifter, device), memory.halving(self.batch))
        if not math.isfinite(error):
            return False
        self.errors.append((epoch, error))
        return best_check(self.errors) is self.errors[-1]

    @torch.inference_mode()
    def _error(self, lifter: Lifter, device: torch.device, batch: int) -> float:
        """MPJPE (mm) over a fixed subset of the validation windows, with H = K = 1.

        Predictions are made as for a test: without ground truth, and labels only for a method that reads them.
        """
        self.batch = batch
        rows = self.validation.subset(min(self.windows, len(self.validation)))
        parts = np.array_split(rows, -(-len(rows) // batch))
        total, frames = 0.0, 0
        sampling, once = Sampling(flip=False), {(1, 1): [(1, 1)]}
        for part, truth, _, predicted in predict_batches(
            lifter, self.validation, parts, once, sampling, self.labels, device, precision="fp32"
        ):
            assert truth.pose_3d is not None
            errors = mpjpe(predicted[:, -1, 0], truth.pose_3d)
            counts = torch.as_tensor(self.validation.counts(part), device=device)
            total += errors[counts].to(precision_of_sums(device)).sum().item()
            frames += int(counts.sum())
        return total / frames

    def selected_epoch(self, last: float) -> float:
        """The epoch of the selected weights; ``last``, the last one, where no error selects them."""
        return best_check(self.errors)[0] if self.errors else last
