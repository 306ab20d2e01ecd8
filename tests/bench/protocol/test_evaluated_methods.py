"""The evaluation of the suite's own methods, untrained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.config.registry import METHODS
from bench.data.windows import Windows, evaluation_windows, training_windows
from bench.protocol.evaluate import EvalSetting, evaluate
from models.finepose.model import FinePOSE
from models.lifter import Sampling
from models.skeleton import HUMAN36M
from tests.bench.protocol.test_evaluate import sequences


@pytest.mark.parametrize("name", ["d3dp", "finepose"])
def test_sharing_and_batching_hold_for_diffusion_methods(name: str) -> None:
    method = METHODS.load(name)
    torch.manual_seed(0)
    lifter = method(method.presets["tiny"].config)
    windows = Windows(sequences(), HUMAN36M, lifter.frames, lifter.context, mode="eval")
    rows, pairs = np.arange(4), [(1, 1), (3, 1), (2, 3), (3, 3)]
    plans, sampling = [EvalSetting(h, k) for h, k in pairs], Sampling(flip=True, seed=5)
    together = evaluate(lifter, windows, rows, sampling, plans, "cpu", batch_windows=3)
    for plan in plans:
        alone = evaluate(lifter, windows, rows, sampling, [plan], "cpu", batch_windows=1)[plan]
        for metric in ("mpjpe", "p_mpjpe"):
            for aggregation in ("P-Agg", "J-Best"):
                mine, its = (e.frames[metric, aggregation] for e in (together[plan], alone))
                np.testing.assert_allclose(mine, its, atol=0.05)


def test_numbers_of_the_released_behaviour_do_not_depend_on_the_batch() -> None:
    torch.manual_seed(0)
    config = replace(FinePOSE.presets["tiny"].config, behaviour="released")
    lifter = FinePOSE(config).eval().requires_grad_(False)
    for parameter in lifter.parameters():  # untrained, the text has no effect
        parameter.add_(0.1 * torch.randn_like(parameter))
    some = [sequence for sequence in sequences() if sequence.action != "Posing"]
    windows = Windows(some, HUMAN36M, lifter.frames, lifter.context, mode="eval")
    rows = np.random.default_rng(0).permutation(len(windows))[:12]
    assert {windows.sequences[number].action for number in windows.table[rows[:3], 0]} == {"Walking", "Eating 1"}
    plan = EvalSetting(2, 2)
    found = [
        evaluate(lifter, windows, np.sort(rows), Sampling(seed=5), [plan], "cpu", batch_windows=size)[plan]
        for size in (1, 3, 24)
    ]
    for errors in found[1:]:
        for name in errors.frames:
            np.testing.assert_allclose(errors.frames[name], found[0].frames[name], rtol=1e-4, atol=1e-3)
    batch = windows.batch(rows[:3])
    noise = torch.randn(1, 3, 1, lifter.frames, 17, 3)
    paired, alone = (lifter.sample(batch.pose_2d, batch.actions, noise, alone=alone) for alone in (False, True))
    assert (paired - alone).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["mixste", "d3dp", "finepose"])
@pytest.mark.parametrize("frames", [2, 8])
def test_windows_may_have_an_even_number_of_frames(name: str, frames: int) -> None:
    method = METHODS.load(name)
    torch.manual_seed(0)
    lifter = method(replace(method.presets["tiny"].config, frames=frames))
    fitted = training_windows(sequences(), lifter, flip=True)
    loss = lifter.training_loss(fitted.batch(np.arange(5)))
    loss.backward()
    assert loss.isfinite()
    windows = evaluation_windows(sequences(), lifter)
    plan = EvalSetting()
    errors = evaluate(lifter, windows, np.arange(len(windows)), Sampling(), [plan], "cpu")[plan]
    assert errors.counts.tolist() == [len(sequence) for sequence in sequences()]
