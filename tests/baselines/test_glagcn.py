"""GLA-GCN: sizes, its graph layer against the formula, and windows of frames on their own."""

from __future__ import annotations

import pytest
import torch

from baselines.glagcn import GLAGCN, GLAGCNConfig, GraphLayer
from baselines.layers.graph import partitions
from models.errors import InputError
from models.lifter import Batch, Sampling
from models.skeleton import HUMAN36M, MPI_INF_3DHP


@pytest.mark.parametrize(("stages", "parameters"), [(3, 844_076), (4, 1_096_466), (5, 1_348_856)])
def test_parameters(stages: int, parameters: int) -> None:
    with torch.device("meta"):
        lifter = GLAGCN(GLAGCNConfig(filter_widths=(3,) * stages))
    assert sum(parameter.numel() for parameter in lifter.parameters()) == parameters


def test_paper_is_the_largest() -> None:
    paper = GLAGCN.presets["paper"]
    assert paper.config.receptive_field == 243
    assert (paper.recipe.optimizer, paper.recipe.schedule) == ("ranger", "cosine")
    assert paper.recipe.learning_rate * paper.recipe.decay == pytest.approx(1e-5)


@pytest.mark.parametrize("inputs", [2, 8])
def test_graph_layer_is_the_sum_over_its_subsets(inputs: int) -> None:
    torch.manual_seed(0)
    layer = GraphLayer(inputs, 8, partitions(HUMAN36M), dropout=0.0).eval()
    torch.nn.init.normal_(layer.bn.weight)
    x = torch.randn(2, inputs, 5, 17)  # [B, C, T, J], as published
    mixed = 0
    for a, b, d, graph, offset in zip(
        layer.conv_a, layer.conv_b, layer.conv_d, layer.graph, layer.PA, strict=True
    ):
        affinity = torch.einsum("bctv,bctw->bvw", a(x), b(x)) / (2 * 5)
        mixed = mixed + d(torch.einsum("bctv,bvw->bctw", x, affinity.softmax(1) + graph + offset))
    skipped = x if inputs == 8 else layer.down[1](layer.down[0](x))
    expected = (layer.bn(mixed) + skipped).relu()
    ours = layer(x.permute(0, 3, 2, 1)).permute(0, 3, 2, 1)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_graph_layer_starts_as_identity() -> None:
    layer = GraphLayer(8, 8, partitions(HUMAN36M), dropout=0.0).eval()
    x = torch.rand(2, 17, 5, 8)
    torch.testing.assert_close(layer(x), x, atol=1e-4, rtol=0)


@pytest.mark.parametrize("skeleton", [HUMAN36M, MPI_INF_3DHP], ids=lambda skeleton: skeleton.name)
def test_every_frame_is_lifted_from_the_frames_around_it(skeleton) -> None:
    torch.manual_seed(0)
    lifter = GLAGCN(GLAGCNConfig(frames=5, filter_widths=(3, 3), channels=8), skeleton).eval()
    pose_2d = torch.randn(2, 5 + 8, 17, 2)
    whole = lifter.predict(Batch(pose_2d, ("", ""), torch.arange(2)), Sampling(flip=False))[:, 0, 0]
    alone = torch.stack([lifter.network(pose_2d[:, start : start + 9]) for start in range(5)], dim=1)
    alone[:, :, skeleton.root] = 0
    torch.testing.assert_close(whole, alone)


def test_norms_average_over_more_and_more_steps() -> None:
    lifter = GLAGCN(GLAGCN.presets["tiny"].config)
    lifter.on_progress(0.5)
    assert lifter.network.data_bn.momentum == pytest.approx(0.01)


@pytest.mark.parametrize("options", [{"filter_widths": (2,)}, {"channels": 6}, {"dropout": 1.0}, {"frames": 0}])
def test_options_are_checked(options: dict) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        GLAGCNConfig(**options)
