from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from baselines.pstmo import PSTMO, MaskedPoses, PSTMOConfig, pstmo_loss
from models.errors import InputError
from models.lifter import Batch, Sampling
from models.losses import mean_joint_distance
from tests.baselines.released import imported_outputs

TINY = PSTMO.presets["tiny"].config
SMALL = PSTMOConfig(frames=5, strides=(3, 3), every=2, channels=16, hidden=16, layers=2, heads=2, dropout=0.0)


def windows(frames: int, number: int = 4, width: int = 2) -> torch.Tensor:
    return torch.randn(number, frames, 17, width, generator=torch.Generator().manual_seed(2))


def batch(lifter: PSTMO) -> Batch:
    span = lifter.config.span
    return Batch(windows(3 * span - 2), ("",) * 4, torch.arange(4), windows(span, width=3))


@pytest.mark.parametrize(
    ("layers", "fine_tuned", "pretrained"), [(3, 6_482_278, 2_656_036), (4, 7_009_382, 3_315_620)]
)
def test_parameters_at_paper_size(layers: int, fine_tuned: int, pretrained: int) -> None:
    """The published counts hold final norms of the transformers, which nothing applies."""
    config = PSTMOConfig(layers=layers)
    with torch.device("meta"):
        counts = [sum(p.numel() for p in part(config).parameters()) for part in (PSTMO, MaskedPoses)]
    final_norm = 2 * config.channels
    assert counts == [fine_tuned - 2 * final_norm, pretrained - final_norm - final_norm // 2]


def test_as_many_frames_and_joints_are_hidden_as_the_configuration_says() -> None:
    stage = MaskedPoses(PSTMOConfig(strides=(3, 9), channels=16, hidden=16, masked_frames=0.6, masked_joints=3))
    frames, joints = stage.draw_masks()
    assert frames.sum() == 16
    assert (joints.sum(dim=1) == 3).all()
    assert not joints[:, -1].any()
    assert not torch.equal(frames, stage.draw_masks()[0])


def test_what_is_hidden_is_not_seen_and_comes_last() -> None:
    torch.manual_seed(0)
    stage = MaskedPoses(TINY).eval()
    pose_2d = windows(9)
    frames, joints = torch.zeros(9, dtype=torch.bool), torch.zeros(9, 17, dtype=torch.bool)
    frames[[1, 4]], joints[3, 5] = True, True
    restored, given = stage.restore(pose_2d, frames, joints)
    assert torch.equal(given, pose_2d[:, [0, 2, 3, 5, 6, 7, 8, 1, 4]])
    changed = pose_2d.clone()
    changed[:, [1, 4]] += 1
    changed[:, 3, 5] += 1
    assert torch.equal(stage.restore(changed, frames, joints)[0], restored)
    changed[:, 3, 6] += 1
    assert not torch.allclose(stage.restore(changed, frames, joints)[0], restored)


def test_first_stage_learns_to_restore() -> None:
    torch.manual_seed(0)
    stage = MaskedPoses(TINY).train()
    data = Batch(windows(1).expand(-1, 9, -1, -1), ("",) * 4, torch.arange(4))
    optimiser = torch.optim.Adam(stage.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        loss = stage(data)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_second_stage_begins_from_the_first() -> None:
    stage = PSTMO.first_stage(TINY)
    assert stage is not None
    assert stage.lifter is MaskedPoses
    assert stage.lifter.presets.keys() == PSTMO.presets.keys()
    assert PSTMO.first_stage(PSTMOConfig(pretrain=False)) is None
    first, lifter = MaskedPoses(TINY), PSTMO(TINY)
    lifter.begin_from(first)
    pose_2d = windows(9)
    assert torch.equal(lifter.eval().trunk(pose_2d), first.eval().trunk(pose_2d))
    assert not set(map(id, lifter.parameters())) & set(map(id, first.parameters()))


def test_loss_is_of_every_second_frame_of_the_window_and_of_its_middle() -> None:
    torch.manual_seed(0)
    lifter = PSTMO(SMALL).eval()
    data = batch(lifter)
    assert SMALL.span == 17
    seen, target = data.pose_2d[:, 8:25:2], data.pose_3d[:, ::2]
    sequence, single = lifter.lift_both(seen)
    expected = mean_joint_distance(sequence, target) + mean_joint_distance(single, data.pose_3d[:, 8:9])
    torch.testing.assert_close(lifter(data), expected)
    torch.testing.assert_close(pstmo_loss(target, target[:, 4:5], target), torch.tensor(0.0))


@pytest.mark.parametrize("every", [1, 2, 3])
def test_every_frame_is_lifted_from_the_frames_around_it(every: int) -> None:
    torch.manual_seed(0)
    config = PSTMOConfig(frames=5, strides=(3, 3), every=every, channels=16, hidden=16, heads=2)
    lifter = PSTMO(config).eval()
    pose_2d = windows(4 + config.span)
    with torch.no_grad():
        alone = [lifter.lift(pose_2d[:, start : start + config.span : every]) for start in range(5)]
    poses = lifter.predict(Batch(pose_2d, ("",) * 4, torch.arange(4)), Sampling(flip=False))[:, 0, 0]
    torch.testing.assert_close(poses[:, :, 1:], torch.stack(alone, dim=1)[:, :, 1:])


def test_released_entries_are_imported(tmp_path: Path) -> None:
    ours, released = imported_outputs(tmp_path, "pstmo", "pstmo_small", "out_single", every=1)
    torch.testing.assert_close(ours, released, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "options",
    [
        {"strides": ()}, {"strides": (3, 2)}, {"every": 0}, {"stride": 0}, {"channels": 24}, {"layers": 1},
        {"hidden": 1}, {"dropout": 1.0}, {"masked_frames": 1.0}, {"masked_joints": -1}, {"frames": 0},
    ],
)  # fmt: skip
def test_options_are_checked(options: dict) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        PSTMOConfig(**options)


def test_hiding_more_joints_than_there_are_is_refused() -> None:
    with pytest.raises(InputError, match="masked_joints"):
        MaskedPoses(PSTMOConfig(strides=(3, 3), channels=16, hidden=16, masked_joints=17))


def test_inner_dropout_acts_in_training_alone_and_draws_nothing_at_0() -> None:
    def losses(lifter: PSTMO) -> list[torch.Tensor]:
        torch.manual_seed(3)
        return [lifter(batch(lifter)).detach() for _ in range(2)]

    torch.manual_seed(0)
    plain = PSTMO(SMALL).train()
    dropping = PSTMO(replace(SMALL, inner_dropout=0.5)).train()
    dropping.load_state_dict(plain.state_dict())
    once, twice = losses(dropping)
    assert once != twice
    assert torch.equal(*losses(plain))
    dropping.load_state_dict(plain.state_dict())
    pose_2d = windows(SMALL.seen)
    torch.testing.assert_close(dropping.eval().lift(pose_2d), plain.eval().lift(pose_2d))
