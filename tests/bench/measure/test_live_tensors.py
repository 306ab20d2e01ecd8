"""Bytes of live tensors, against counts by hand."""

import pytest
import torch
from torch import nn

from bench.measure.counts import live_bytes

FLOAT = 4


@pytest.fixture(autouse=True)
def inference():
    with torch.inference_mode():
        yield


def counted(call):
    found = live_bytes(call)
    return found.peak // FLOAT, found.added // FLOAT


def test_what_is_read_counts_once_and_what_is_made_while_it_lives():
    weights, poses = torch.zeros(100, 50), torch.ones(10, 100)
    read = 100 * 50 + 10 * 100
    assert counted(lambda: poses @ weights) == (read + 500, 500)
    assert counted(lambda: (poses @ weights).relu() + 1) == (read + 1000, 1000), "the product is gone by then"
    assert counted(lambda: [poses @ weights for _ in range(7)]) == (read + 3500, 3500)


def test_views_and_changes_in_place_add_nothing():
    poses = torch.ones(10, 100)
    assert counted(lambda: poses.view(1000)[:5].add_(1)) == (1000, 0)
    assert counted(lambda: (poses + 1).view(1000)[:5]) == (2000, 1000), "a part keeps the whole alive"


def test_what_is_freed_makes_room():
    def in_turns():
        for _ in range(5):
            torch.ones(1000).sum()

    def together():
        kept = [torch.ones(1000) for _ in range(5)]
        return len(kept)

    assert counted(in_turns) == (1001, 1001)
    assert counted(together) == (5000, 5000)


def test_the_parts_of_a_large_operator_are_seen():
    """A quantile sorts all numbers into another tensor before it gives one."""
    _, added = counted(lambda: torch.quantile(torch.ones(1000), 0.5))
    assert added > 2000


def test_the_same_every_time_whatever_was_there_before():
    layer, poses = nn.Linear(64, 64), torch.ones(100, 64)
    first = live_bytes(lambda: layer(poses).softmax(-1))
    ballast = [torch.ones(100_000) for _ in range(20)]
    again = live_bytes(lambda: layer(poses).softmax(-1))
    assert len(ballast) == 20
    assert first == again
