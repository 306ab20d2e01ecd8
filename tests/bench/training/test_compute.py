"""What a training computes is counted, and at the presets for a CPU every method computes as much."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from bench.config.registry import METHODS
from bench.training.compute import COUNTED_STEPS, affordable_steps, step_flops
from models.lifter import SMALL_COMPUTE, TINY_COMPUTE, Batch, Lifter

LEARNED = [name for name in METHODS.own if METHODS.load(name).presets["tiny"].recipe.epochs]
ACTIONS = tuple(f"Action {n}" for n in range(15))


def chain(name, size):
    """Lifters and recipes of a method's trainings at a preset, the first stage first."""
    lifter, preset = METHODS.load(name), METHODS.load(name).presets[size]
    stage = lifter.first_stage(preset.config)
    before = [] if stage is None else [(stage.lifter(stage.config), stage.lifter.presets[size].recipe)]
    return [*before, (lifter(preset.config), preset.recipe)]


def batch(lifter, windows, generator):
    """Random training windows of fifteen actions."""
    seen, F, N = lifter.train_frames + sum(lifter.context), lifter.train_frames, lifter.random_frames

    def draw(frames, coordinates):
        return torch.randn(windows, frames, 17, coordinates, generator=generator)

    actions = tuple(ACTIONS[n] for n in torch.randint(15, (windows,), generator=generator).tolist())
    data = Batch(draw(seen, 2), actions, torch.arange(windows), draw(F, 3), torch.rand(windows, F, 3) + 4)
    data = replace(data, camera=torch.ones(windows, 9), confidence=torch.ones(windows, seen, 17))
    return replace(data, random_2d=draw(N, 2), random_3d=draw(N, 3)) if N else data


@pytest.mark.parametrize("name", LEARNED)
def test_every_method_has_the_same_compute_at_tiny(name):
    total, generator = 0.0, torch.Generator().manual_seed(0)
    for lifter, recipe in chain(name, "tiny"):
        lifter.fit_actions(ACTIONS)
        size = int(recipe.windows_of_a_step(lifter.train_frames))
        number = COUNTED_STEPS if lifter.uses_action else 1  # without texts, all batches compute the same
        first, others = ([batch(lifter, size, generator) for _ in range(number)] for _ in range(2))
        steps = affordable_steps(recipe.compute, step_flops(lifter, first))
        total += steps * step_flops(lifter, others) / 1e12
    assert total == pytest.approx(TINY_COMPUTE, rel=0.02)


@pytest.mark.parametrize("name", LEARNED)
def test_every_method_is_given_the_same_compute_at_small(name):
    assert sum(recipe.compute for _, recipe in chain(name, "small")) == SMALL_COMPUTE
    for lifter, recipe in chain(name, "small"):
        lifter.fit_actions(ACTIONS)
        lifter.training_loss(batch(lifter, 2, torch.Generator().manual_seed(0))).backward()
        assert recipe.batch_windows in (8, 128)


class Attending(Lifter):
    """Its loss is a linear layer and a fused attention."""

    def __init__(self):
        super().__init__(None)
        self.linear = nn.Linear(4, 4, bias=False)

    def training_loss(self, batch):
        tokens = self.linear(batch.pose_2d.flatten(2)[..., :4])[:, None]
        return functional.scaled_dot_product_attention(tokens, tokens, tokens).sum()


def test_forward_and_backward_count_attention_too():
    B, F, C = 3, 40, 4
    windows = Batch(torch.randn(B, F, 17, 2), ("",) * B, torch.arange(B))
    linear, products = 2 * B * F * C * C, 2 * B * F * F * C
    assert step_flops(Attending(), [windows]) == 2 * linear + 6 * products  # no gradient of the input is needed


def test_a_count_leaves_the_method_as_it_was():
    lifter = Attending()
    step_flops(lifter, [Batch(torch.randn(2, 40, 17, 2), ("",) * 2, torch.arange(2))])
    assert lifter.linear.weight.grad is None


@pytest.mark.parametrize(("reads_actions", "computed"), [(False, [2, 2, 3]), (True, [2, 2, 3, 2, 2, 3])])
def test_without_texts_equal_batches_are_counted_once(reads_actions, computed):
    sizes, seen = (2, 3, 2, 2, 3), []

    class Noting(Attending):
        uses_action = reads_actions

        def training_loss(self, batch):
            seen.append(len(batch.pose_2d))
            return super().training_loss(batch)

    batches = [Batch(torch.randn(B, 40, 17, 2), ("",) * B, torch.arange(B)) for B in sizes]
    each = [step_flops(Attending(), [batch]) for batch in batches]
    assert step_flops(Noting(), batches) == sum(each) / len(sizes)
    assert seen == computed  # the first one is computed once more, before anything is counted


def test_a_budget_pays_for_the_nearest_number_of_steps_and_at_least_one():
    assert [affordable_steps(tflop, 2e11) for tflop in (1.0, 1.09, 1.11, 0.001)] == [5, 5, 6, 1]
