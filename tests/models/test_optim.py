from itertools import pairwise

import pytest
import torch

from models.optim import learning_rate
from models.optim.ranger import Ranger


def test_exponential_falls_at_every_step() -> None:
    assert learning_rate("exponential", 1e-3, 0.9, 2.5, 10) == 1e-3 * 0.9**2.5


def test_halving_replaces_every_fifth_decay() -> None:
    rates = [learning_rate("halving", 1.0, 0.95, epoch, 19) for epoch in range(12)]
    factors = [after / before for before, after in pairwise(rates)]
    assert factors == pytest.approx([0.95] * 4 + [0.5] + [0.95] * 4 + [0.5] + [0.95])
    assert learning_rate("halving", 1.0, 0.95, 4.99, 19) == rates[4]
    assert learning_rate("halving", 1.0, 0.95, 95 / 361 * 19, 19) == rates[5], "rounding does not lose an epoch"


def test_fifths_replaces_every_fifth_decay_by_a_smaller_one() -> None:
    rates = [learning_rate("fifths", 1e-3, 0.98, epoch, 79) for epoch in range(12)]
    factors = [after / before for before, after in pairwise(rates)]
    assert factors == pytest.approx([0.98] * 4 + [0.8] + [0.98] * 4 + [0.8] + [0.98])


def test_cosine_ends_at_its_floor() -> None:
    assert learning_rate("cosine", 0.01, 1e-3, 0, 80) == pytest.approx(0.01)
    assert learning_rate("cosine", 0.01, 1e-3, 80, 80) == pytest.approx(1e-5)
    assert learning_rate("cosine", 0.01, 1e-3, 40, 80) == pytest.approx((0.01 + 1e-5) / 2)


def test_a_warm_up_rises_for_a_tenth_and_then_is_the_cosine() -> None:
    rates = [learning_rate("warmup", 0.01, 1e-3, done, 2) for done in (0, 0.1, 0.2, 1, 2)]
    cosine = [learning_rate("cosine", 0.01, 1e-3, done, 2) for done in (0, 0.1, 0.2, 1, 2)]
    assert rates == pytest.approx([0, cosine[1] / 2, *cosine[2:]])


def test_staircase_moves_after_the_epochs_of_index_60_and_120() -> None:
    rates = [learning_rate("staircase", 1e-3, 0.9, epoch, 200) for epoch in (0, 59.9, 60.9, 61, 120.9, 121)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 9e-4, 9e-4, 8.1e-4])


def test_ranger_goes_on_from_its_saved_state() -> None:
    def steps(weight: torch.Tensor, optimizer: Ranger, first: int, last: int) -> None:
        for step in range(first, last):
            weight.grad = torch.sin(torch.arange(4.0) + step) + weight.detach()
            optimizer.step()

    whole, halted = torch.ones(4, requires_grad=True), torch.ones(4, requires_grad=True)
    steps(whole, Ranger([whole], lr=0.1, weight_decay=0.1), 0, 20)
    optimizer = Ranger([halted], lr=0.1, weight_decay=0.1)
    steps(halted, optimizer, 0, 9)
    resumed = Ranger([halted], lr=0.1, weight_decay=0.1)
    resumed.load_state_dict(optimizer.state_dict())
    steps(halted, resumed, 9, 20)
    assert torch.equal(whole, halted)
