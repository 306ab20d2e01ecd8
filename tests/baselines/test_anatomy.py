"""Anatomy3D: sizes, both forms, where its gradients stop, bones of any skeleton."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from baselines.anatomy import Anatomy, AnatomyConfig, frame_losses
from models.errors import InputError
from models.lifter import Batch, Sampling
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton

SMALL = AnatomyConfig(frames=5, filter_widths=(3, 3), channels=8, random_frames=4, dropout=0.0)
SKELETONS = pytest.mark.parametrize("skeleton", [HUMAN36M, MPI_INF_3DHP], ids=[HUMAN36M.name, MPI_INF_3DHP.name])


def small(skeleton: Skeleton = HUMAN36M, **options) -> Anatomy:
    torch.manual_seed(0)
    return Anatomy(replace(SMALL, **options), skeleton)


def batch(lifter: Anatomy, frames: int) -> Batch:
    generator = torch.Generator().manual_seed(1)

    def drawn(frames: int, channels: int) -> torch.Tensor:
        return torch.randn(3, frames, 17, channels, generator=generator)

    return Batch(
        drawn(frames + sum(lifter.context), 2),
        ("",) * 3,
        torch.arange(3),
        drawn(frames, 3),
        camera=torch.tensor([[2.3, 2.3, 0, 0, 0, 0, 0, 0, 0]]).expand(3, -1),
        confidence=drawn(frames + sum(lifter.context), 1)[..., 0].sigmoid(),
        random_2d=drawn(4, 2),
        random_3d=drawn(4, 3),
    )


@pytest.mark.parametrize(("stages", "parameters"), [(3, 31_885_932), (4, 45_531_756), (5, 59_177_580)])
def test_parameters(stages: int, parameters: int) -> None:
    with torch.device("meta"):
        lifter = Anatomy(AnatomyConfig(filter_widths=(3,) * stages))
    assert sum(parameter.numel() for parameter in lifter.parameters()) == parameters


@pytest.mark.parametrize("causal", [False, True])
def test_whole_windows_agree_with_single_frames(causal: bool) -> None:
    lifter = small(causal=causal).eval()
    assert lifter.context == ((8, 0) if causal else (4, 4))
    data = batch(lifter, 5)
    whole = lifter.predict(data, Sampling(flip=False))[:, 0, 0]
    seen = torch.cat([data.pose_2d, data.confidence[..., None]], dim=-1)
    for frame in range(5):
        window = seen[:, frame : frame + 9]
        alone = lifter.network.estimate(window, window[..., :2] if causal else data.random_2d).pose
        torch.testing.assert_close(whole[:, frame, 1:], alone[:, 0, 1:], atol=1e-6, rtol=0)


def test_losses_reach_what_they_should() -> None:
    lifter = small()
    data = batch(lifter, 1)
    seen = torch.cat([data.pose_2d, data.confidence[..., None]], dim=-1)

    def reached(loss: torch.Tensor) -> set[str]:
        names, parameters = zip(*lifter.network.named_parameters(), strict=True)
        grads = torch.autograd.grad(loss, parameters, allow_unused=True)
        return {name for name, grad in zip(names, grads, strict=True) if grad is not None}

    estimates = lifter.network.estimate(seen, data.random_2d)
    assert reached(estimates.lengths.sum()) == {"lengths.attention.weight", "lengths.attention.bias"}
    estimates = lifter.network.estimate(seen, data.random_2d)
    assert {name.split(".")[0] for name in reached(estimates.pose.sum())} == {"pose"}
    estimates = lifter.network.estimate(seen, data.random_2d)
    second = reached(estimates.directions[1].sum())
    assert {name.split(".")[1] for name in second} == {"convs_2", "norms_2", "shrink_2"}


@SKELETONS
def test_a_perfect_estimate_has_no_loss(skeleton: Skeleton) -> None:
    lifter = small(skeleton)
    data, bones = batch(lifter, 1), lifter.network.bones
    truth = data.pose_3d
    estimates = lifter.network.estimate(torch.randn(3, 9, 17, 3), data.random_2d)
    perfect = replace(
        estimates, pose=truth, directions=(bones.directions(truth),) * 2, shifts=(bones.shifts(truth),) * 2
    )
    assert all(loss == 0 for loss in frame_losses(bones, perfect, truth))


def test_visibility_is_required_or_one() -> None:
    lifter = small().eval()
    data = replace(batch(lifter, 5), confidence=None)
    with pytest.raises(InputError, match="confidence"):
        lifter.predict(data, Sampling())
    given = replace(data, confidence=torch.ones_like(data.pose_2d[..., 0]))
    assumed = small(confidence="one").eval()
    assert torch.equal(assumed.predict(data, Sampling()), lifter.predict(given, Sampling()))


def test_constant_visibility_means_the_same_in_training_and_after() -> None:
    lifter = small(confidence="one").train()
    data = replace(batch(lifter, 1), confidence=None)
    before = lifter.network.directions.expand_bnscore.running_mean.clone()
    lifter(data).backward()
    norm = lifter.network.directions.expand_bnscore
    assert torch.equal(norm.running_mean, before)
    assert norm.weight.grad.abs().max() > 0


def test_frames_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    lifter = small().eval()
    seen = torch.randn(2, 13, 17, 3)
    whole = lifter.network.bone_directions(seen)
    monkeypatch.setattr("baselines.anatomy.VALUES_AT_ONCE", 100)
    torch.testing.assert_close(lifter.network.bone_directions(seen), whole)


def test_options_are_checked() -> None:
    with pytest.raises(InputError, match="random_frames"):
        AnatomyConfig(random_frames=0)
