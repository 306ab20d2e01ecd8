"""DiffPose: sizes, times, hypotheses by name, what its two behaviours mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from baselines.diffpose import (
    DiffPose,
    DiffPoseConfig,
    linear_schedule,
    refine,
    times_and_mirrors,
    visited_times,
)
from models.diffusion.process import q_sample, window_noise
from models.errors import InputError
from models.lifter import Batch, Sampling
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton

SMALL = DiffPoseConfig(frames=3, channels=8, layers=1, heads=2)


def small(skeleton: Skeleton = HUMAN36M, **options) -> DiffPose:
    torch.manual_seed(0)
    return DiffPose(replace(SMALL, **options), skeleton).eval()


def batch(windows: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(1)
    pose_2d = torch.randn(windows, 3, 17, 2, generator=generator)
    return Batch(pose_2d, ("",) * windows, torch.arange(windows) + 7)


def test_parameters() -> None:
    with torch.device("meta"):
        lifter = DiffPose(DiffPose.presets["paper"].config)
    assert lifter.frozen_parameters() == 654_344
    assert sum(parameter.numel() for parameter in lifter.denoiser.parameters()) == 1_025_674


def test_times() -> None:
    assert visited_times(2, 24) == [12, 0]
    assert visited_times(2, 12) == [6, 0]
    assert visited_times(4, 24) == [18, 12, 6, 0]
    assert visited_times(5, 24) == [19, 14, 9, 4, 0]
    with pytest.raises(InputError, match="steps is 25"):
        visited_times(25, 24)


def test_random_times_come_with_their_mirrors() -> None:
    times = times_and_mirrors(101)
    assert len(times) == 101
    assert (times[:50] + times[51:] == 50).all()


def test_a_perfect_noise_estimate_is_undone() -> None:
    clean, noise, signal = torch.randn(4, 17, 5), torch.randn(4, 17, 5), linear_schedule()
    start = q_sample(clean, noise, torch.tensor([18]), signal)
    estimates = refine(lambda joints, time: noise, start, [18, 12, 6, 0], signal)
    torch.testing.assert_close(estimates, clean.expand(4, -1, -1, -1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("behaviour", ["described", "released"])
def test_fewer_hypotheses_are_a_prefix(behaviour: str) -> None:
    lifter, data = small(behaviour=behaviour), batch()
    three = lifter.predict(data, Sampling(hypotheses=3, steps=2))
    two = lifter.predict(data, Sampling(hypotheses=2, steps=2))
    assert three.shape == (2, 2, 3, 3, 17, 3)
    torch.testing.assert_close(three[:, :, :2], two)
    assert torch.equal(three[:, :, 0], three[:, :, 1]) == (behaviour == "released")


def test_hypotheses_follow_seed_and_key() -> None:
    lifter, data = small(), batch()
    poses = lifter.predict(data, Sampling(hypotheses=2))
    assert not torch.allclose(poses, lifter.predict(data, Sampling(hypotheses=2, seed=1)))
    moved = replace(data, window_keys=data.window_keys.flip(0), pose_2d=data.pose_2d.flip(0))
    torch.testing.assert_close(lifter.predict(moved, Sampling(hypotheses=2)), poses.flip(0))


def test_hypotheses_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    lifter, data = small(), batch()
    whole = lifter.predict(data, Sampling(hypotheses=4, steps=2))
    monkeypatch.setattr("baselines.diffpose.VALUES_AT_ONCE", 100)
    torch.testing.assert_close(lifter.predict(data, Sampling(hypotheses=4, steps=2)), whole)


@pytest.mark.parametrize("skeleton", [HUMAN36M, MPI_INF_3DHP], ids=lambda skeleton: skeleton.name)
def test_the_mirror_image_is_denoised_from_mirrored_noise(
    skeleton: Skeleton, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mirrored_noise(*arguments: Any) -> torch.Tensor:
        noise = window_noise(*arguments)
        return torch.cat([skeleton.mirror(noise[..., :2]), skeleton.mirror(noise[..., 2:])], dim=-1)

    lifter, data = small(skeleton), batch()
    averaged = lifter.predict(data, Sampling(hypotheses=2))
    monkeypatch.setattr("baselines.diffpose.window_noise", mirrored_noise)
    mirrored = replace(data, pose_2d=skeleton.mirror(data.pose_2d))
    other = lifter.predict(mirrored, Sampling(hypotheses=2))
    torch.testing.assert_close(skeleton.mirror(other), averaged, atol=1e-5, rtol=0)


def test_only_the_denoiser_is_trained() -> None:
    lifter, data = small().train(), replace(batch(), pose_3d=torch.randn(2, 3, 17, 3))
    lifter(data).backward()
    assert all(parameter.grad is None for parameter in lifter.estimator.parameters())
    assert all(parameter.grad is not None for parameter in lifter.denoiser.parameters())


def test_attention_dropout_is_of_both_networks_in_training() -> None:
    """Graph blocks have a dropout of their own, so the attention is looked at alone."""
    config = replace(SMALL, attention_dropout=0.5, dropout=0.0)
    stage = DiffPose.first_stage(config)
    torch.manual_seed(0)
    for network in (DiffPose(config).denoiser, stage.lifter(stage.config).network):
        attention = network.get_submodule("atten_layers.0.self_attn")
        features = torch.randn(2, 17, 8)
        assert not torch.equal(attention.train()(features), attention(features))
        assert torch.equal(attention.eval()(features), attention(features))


@pytest.mark.parametrize(
    "options",
    [{"behaviour": "x"}, {"spread": 0}, {"earliest": 52}, {"layers": 0}, {"channels": 6}, {"dropout": 1.0}],
)
def test_options_are_checked(options: dict) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        DiffPoseConfig(**options)


def test_begins_from_its_pose_estimator() -> None:
    lifter, data = small(), batch()
    stage = DiffPose.first_stage(lifter.config)
    torch.manual_seed(1)
    first = stage.lifter(stage.config).eval()
    lifter.begin_from(first)
    expected = first.predict(data, Sampling(flip=False))[:, 0, 0]
    torch.testing.assert_close(lifter.start(data.pose_2d)[..., 2:], expected)
    assert stage.lifter.presets.keys() == DiffPose.presets.keys()
    others = replace(lifter.config, behaviour="released", spread=0.1, earliest=12)
    assert DiffPose.first_stage(others) == stage
