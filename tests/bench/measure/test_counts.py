"""What a call does, counted without values: the same however often, and what torch itself counts."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.config.registry import METHODS
from bench.measure.counts import Counts, count, made_up_batch, plain_transformer_layers
from models.lifter import Sampling

META = torch.device("meta")


def calls(name):
    """A training step and a prediction of a method at its smallest size."""
    cls = METHODS.load(name)
    with META:
        lifter = cls(cls.resolve_config(cls.presets["tiny"].config))

    def step():
        lifter.train().training_loss(made_up_batch(lifter, 4, lifter.train_frames, True, META)).backward()
        lifter.zero_grad(set_to_none=True)

    def predict():
        with torch.inference_mode():
            lifter.eval().predict(made_up_batch(lifter, 1, lifter.frames, False, META), Sampling())

    return step, predict


@pytest.mark.parametrize("name", ["tcn", "finepose", "motionagformer"])
def test_counts_do_not_depend_on_what_was_counted_before(name, monkeypatch):
    for call in calls(name):
        call()  # what a method keeps between calls is there, as in all but the first
        monkeypatch.setattr("bench.measure.counts._makes_tensors", lambda func: False)
        plain = count(call)
        monkeypatch.undo()
        assert [count(call), count(call)] == [plain, plain]
        with plain_transformer_layers(), FlopCounterMode(display=False) as counter:
            call()
        assert plain.flops == counter.get_total_flops() > 0


def test_results_that_share_memory_with_arguments_are_not_taken_for_new_ones():
    poses = torch.empty(100, device="meta")
    for _ in range(2):
        assert count(lambda: poses.contiguous().view(10, 10).to(torch.float32)).peak == 0
        assert count(lambda: poses.to(torch.float64)) == Counts(calls=1, flops=0, moved=800, peak=800)
        assert count(lambda: poses + 1).moved == count(lambda: poses + 1.0).moved == 400
        assert count(lambda: poses.long() + 1).moved == 1600
        assert count(lambda: poses.long() + 1.0).moved == 1200, "1 and 1.0 are not the same argument"
