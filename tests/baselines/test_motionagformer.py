from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from baselines.motionagformer import MotionAGFormer, MotionAGFormerConfig, similar_frames, skeleton_links
from baselines.published.motionagformer import ADAPTER
from models.checkpoints.importer import import_checkpoint
from models.errors import InputError
from models.skeleton import HUMAN36M, MPI_INF_3DHP
from tests.models.checkpoints.checkpoints import golden_checkpoint

SMALL = MotionAGFormerConfig(frames=5, channels=16, depth=2, heads=2, representation=24)


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({"depth": 12, "channels": 64, "frames": 27}, 2_241_531),
        ({"depth": 26, "channels": 64, "frames": 81}, 4_817_119),
        ({}, 11_723_811),
        ({"depth": 26}, 19_007_111),
    ],
    ids=["XS", "S", "B", "L"],
)
def test_published_sizes(options: dict, parameters: int) -> None:
    with torch.device("meta"):
        lifter = MotionAGFormer(replace(MotionAGFormer.presets["paper"].config, **options))
    assert sum(parameter.numel() for parameter in lifter.parameters()) == parameters


def test_the_released_graph_lists_three_limbs_from_one_end_only() -> None:
    links = skeleton_links(HUMAN36M)
    one_way = [(i, j) for i, j in (links != links.T).nonzero().tolist() if links[i, j]]
    assert one_way == [(4, 0), (11, 8), (14, 8)]
    assert links.diagonal().sum() == 0
    assert links.sum() == 2 * 16 - 3
    other = skeleton_links(MPI_INF_3DHP)
    assert torch.equal(other, other.T)
    assert other.sum() == 2 * 16


def test_every_frame_is_linked_with_the_frames_most_like_it() -> None:
    angles = torch.tensor([0.0, 0.1, 0.3, 2.0, 2.1])
    features = torch.stack([angles.cos(), angles.sin()], dim=-1)[None, :, None]  # [1, F, 1, 2]
    links = similar_frames(features.requires_grad_(), 2)
    assert not links.requires_grad
    expected = torch.eye(5)
    for frame, most_like in ((0, 1), (1, 0), (2, 1), (3, 4), (4, 3)):
        expected[frame, most_like] = 1
    assert torch.equal(links[0, 0], expected)
    assert torch.equal(similar_frames(features, 5), torch.ones(1, 1, 5, 5))


def test_frames_alike_are_all_linked() -> None:
    still = torch.randn(1, 1, 1, 8, generator=torch.Generator().manual_seed(0)).expand(1, 4, 1, 8)
    assert similar_frames(still, 1).all()


def test_links_are_chosen_in_full_precision_under_autocast() -> None:
    tokens = torch.randn(2, 5, 3, 8, generator=torch.Generator().manual_seed(0))
    tokens[:, 1] = tokens[:, 0] * 1.0005
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(similar_frames(tokens, 2), similar_frames(tokens.double(), 2).float())


def test_a_network_with_published_scales_starts_near_the_identity() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(2, 5, 17, 16)
    moved = MotionAGFormer(SMALL).pass_stages(tokens) - tokens
    assert 0 < moved.abs().max() < 1e-3


def test_initial_weights_are_as_published() -> None:
    torch.manual_seed(0)
    lifter = MotionAGFormer(MotionAGFormerConfig(frames=27, depth=1))
    mixer = lifter.get_submodule("stages.0.graph.temporal.mixer")
    assert torch.cat([mixer.U.weight, mixer.V.weight]).std().item() == pytest.approx((2 / 128) ** 0.5, rel=0.02)
    assert not lifter.joint_table.any()


def test_clips_overlap_by_two_thirds_at_paper_size() -> None:
    with torch.device("meta"):
        lifter = MotionAGFormer(MotionAGFormer.presets["paper"].config)
    assert (lifter.frames, lifter.train_frames, lifter.train_stride) == (243, 243, 81)


def test_windows_may_have_an_even_number_of_frames() -> None:
    lifter = MotionAGFormer(replace(SMALL, frames=6)).eval()
    assert lifter.lift_windows(torch.rand(1, 6, 17, 3)).shape == (1, 6, 17, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"frames": 2},
        {"neighbours": 0},
        {"neighbours": 6, "frames": 5},
        {"stride": 0},
        {"channels": 30},
        {"depth": 0},
        {"mlp_ratio": 0.0},
        {"layer_scale": 0.0},
        {"velocity": -1.0},
    ],
)
def test_options_are_checked(options: dict) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        MotionAGFormerConfig(**options)


def test_published_weights_lift_as_released_in_units_of_the_image(tmp_path: Path) -> None:
    path, vectors = golden_checkpoint("motionagformer_small", tmp_path)
    imported = import_checkpoint(path, replace(ADAPTER, refusal=""))
    assert imported.config == MotionAGFormerConfig(frames=9, channels=32, depth=2, representation=64)
    with torch.no_grad():
        out = imported.build().lift_windows(vectors["x"])
    torch.testing.assert_close(out, vectors["out"], atol=5e-6, rtol=0)
