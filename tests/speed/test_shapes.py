"""The comparison of linear layers; its figures come from ``python -m tests.speed.shapes``."""

import torch

from bench.config.registry import METHODS
from models.layers.linear import Linear
from tests.speed import shapes
from tests.speed.conftest import Timed


def test_the_second_call_of_a_pair_takes_so_many_times_as_long(monkeypatch):
    monkeypatch.setattr(shapes, "timed", lambda seconds: Timed(seconds, seconds))
    assert shapes.speedup(2.0, 3.0) == 1.5


def test_both_ways_are_compared_at_every_shape(monkeypatch):
    monkeypatch.setattr(shapes, "SHAPES", ((4, 6, 8), (2, 8, 6)))
    lines = shapes.table([torch.get_num_threads()]).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| 4 × 6 × 8", "| 2 × 8 × 6"]
    cells = [cell for line in lines[2:] for cell in line.strip(" |").split(" | ")[1:]]
    assert len(cells) == 4
    assert all(float(cell.split()[0]) > 0 and " to " in cell for cell in cells)


def test_the_layers_of_mixste_have_these_shapes():
    method = METHODS.load("mixste")
    layers = [part for part in method(method.presets["paper"].config).modules() if isinstance(part, Linear)]
    wide = {(layer.in_features, layer.out_features) for layer in layers if min(layer.weight.shape) > 3}
    assert wide
    assert wide <= {shape[1:] for shape in shapes.SHAPES}
