"""Every method whose released script is known trains by it, at the smallest size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.config.experiment import TrainingSpec
from bench.config.registry import METHODS
from bench.data.windows import training_windows
from bench.training.accelerator import accelerator_for
from bench.training.recipe import fill_in, named_recipe
from bench.training.selection import CheckpointSelector
from bench.training.trainer import train
from models.lifter import Lifter
from models.optim.norm_momentum import batch_norms
from tests.bench.data import make_sequence

TRAINED = {name: METHODS.load(name) for name in METHODS.own if METHODS.load(name).published is not None}
ROWS = {"both": 2, "half": 1, "none": 1}
"""Rows of an epoch for each window."""


@pytest.mark.parametrize("lifter", TRAINED.values(), ids=TRAINED)
def test_a_method_trains_by_its_published_recipe(lifter: type[Lifter], tmp_path: Path) -> None:
    torch.manual_seed(0)
    sequences = [make_sequence(30), make_sequence(25)]
    method = lifter(lifter.presets["tiny"].config)
    recipe = named_recipe(lifter.presets["tiny"].recipe, lifter, "published")
    settings = fill_in(TrainingSpec(epochs=2, batch_windows=7), recipe)
    windows = training_windows(sequences, method, settings.flips)
    one_each = len(training_windows(sequences, method, flip=False))
    selector = CheckpointSelector("last", windows, tmp_path)
    before = [parameter.detach().clone() for parameter in method.parameters() if parameter.requires_grad]
    info = train(method, windows, [selector], settings, tmp_path, accelerator_for("cpu", "fp32"), "published")
    steps = -(-one_each * ROWS[settings.mirrored] // 7)
    assert (settings.batches, info.steps) == ("full", 2 * steps)
    assert np.isfinite(info.loss).all()
    if settings.norm_momentum == "falling":
        assert [*{norm.momentum for norm in batch_norms(method)}] == [pytest.approx(0.1 * 0.01**0.5)]
    after = [parameter for parameter in method.parameters() if parameter.requires_grad]
    assert any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("lifter", TRAINED.values(), ids=TRAINED)
def test_a_method_can_be_trained_on_its_least_number_of_windows(lifter: type[Lifter]) -> None:
    torch.manual_seed(0)
    method = lifter(lifter.presets["tiny"].config).train()
    windows = training_windows([make_sequence(3 * method.train_frames + sum(method.context))], method, flip=True)
    batch = windows.batch(np.arange(lifter.least_windows), 0)
    assert torch.isfinite(method.training_loss(batch))


@pytest.mark.parametrize(("name", "steps"), [("tcn", 7), ("mixste", 8), ("ktpformer", 8)])
def test_a_batch_norm_is_never_given_a_single_window(name: str, steps: int, tmp_path: Path) -> None:
    """One of 106 windows is left over in batches of 15."""
    lifter = METHODS.load(name)
    torch.manual_seed(0)
    method = lifter(lifter.presets["tiny"].config)
    recipe = replace(lifter.presets["tiny"].recipe, batches="full")
    windows = training_windows([make_sequence(53 * method.train_frames)], method, flip=True)
    assert len(windows) == 106
    selector = CheckpointSelector("last", windows, tmp_path)
    settings = fill_in(TrainingSpec(epochs=1, batch_windows=15), recipe)
    info = train(method, windows, [selector], settings, tmp_path, accelerator_for("cpu", "fp32"), name)
    assert info.steps == steps
