"""What a training notes of itself while it runs: points of its curves, over the steps of the optimiser."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.utils import get_total_norm

from bench.devices import precision_of_sums
from bench.results.tracking.journal import Journal

POINT_SECONDS, MOST_POINTS = 1.0, 1000
"""Least seconds between two points, and most points of a training: each waits for the device."""


class Curves:
    """Collects what happens between two points, and notes the points in a journal.

    Attributes:
        step: number of the last step that was begun, from 1.
    """

    def __init__(self, journal: Journal | None, steps: int, steps_per_epoch: int, device: torch.device) -> None:
        """``device``: of the loss, which is summed there so that nothing waits for it before there is a point."""
        self.step = 0
        self._journal, self._steps, self._steps_per_epoch = journal, steps, steps_per_epoch
        self._loss = torch.zeros((), dtype=precision_of_sums(device), device=device)
        self._begin()

    def add(self, loss: torch.Tensor, windows: int) -> None:
        """Add a step whose gradients are there."""
        self._loss += loss
        self._recent += 1
        self._windows += windows
        self.step += 1

    @property
    def point_is_due(self) -> bool:
        """Whether this step is to be noted: the first, the last, and some between."""
        far = self._recent * MOST_POINTS >= self._steps and time.monotonic() - self._began >= POINT_SECONDS
        return self._journal is not None and (far or self.step in (1, self._steps))

    def note_step(self, optimizer: Any, norm: torch.Tensor | None, scale: float) -> None:
        """Note the learning rate and gradient norm of this step, and means since the last point.

        ``norm``: of the gradients; None to compute it here: those of the optimiser have the factor ``scale``.
        """
        if norm is None:
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            norm = get_total_norm([each.grad for each in parameters if each.grad is not None]) / scale
        seconds = time.monotonic() - self._began
        self.note(
            {
                "train.loss": self._loss.item() / self._recent,
                "train.learning_rate": optimizer.param_groups[0]["lr"],
                "train.gradient_norm": norm.item(),
                "train.windows_per_s": self._windows / max(seconds, 1e-9),
                "epoch": self.step / self._steps_per_epoch,
            }
        )
        self._begin()

    def note(self, metrics: Mapping[str, float], selector: int | None = None) -> None:
        """Note metrics at this step; ``selector``: the number of the one that they are of."""
        if self._journal is not None:
            self._journal.note(self.step, metrics, selector)

    def _begin(self) -> None:
        self._loss.zero_()
        self._recent, self._windows, self._began = 0, 0, time.monotonic()
