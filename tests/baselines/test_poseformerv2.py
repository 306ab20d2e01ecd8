from __future__ import annotations

from pathlib import Path

import pytest
import torch

from baselines.poseformerv2 import (
    FrequencyMlp,
    PoseFormerV2,
    PoseFormerV2Config,
    cosine_table,
    inverse_cosine_table,
)
from models.errors import InputError
from models.lifter import Batch, Sampling
from tests.baselines.released import imported_outputs

TINY = PoseFormerV2.presets["tiny"].config


def windows(frames: int) -> torch.Tensor:
    return torch.randn(2, frames, 17, 2, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("kept", "coefficients", "count"),
    [(1, 1, 14_353_559), (3, 3, 14_355_739), (9, 9, 14_362_279), (27, 27, 14_381_899)],
)
@pytest.mark.parametrize("length", [81, 243])
def test_parameters_at_paper_size(length: int, kept: int, coefficients: int, count: int) -> None:
    with torch.device("meta"):
        lifter = PoseFormerV2(PoseFormerV2Config(length=length, kept=kept, coefficients=coefficients))
    assert sum(parameter.numel() for parameter in lifter.parameters()) == count


@pytest.mark.parametrize("length", [1, 8, 81, 243])
def test_cosine_transform_has_its_exact_inverse(length: int) -> None:
    forth, back = cosine_table(length), inverse_cosine_table(length)
    torch.testing.assert_close(back @ forth, torch.eye(length, dtype=torch.float64), atol=1e-12, rtol=0)
    constant = forth @ torch.ones(length, dtype=torch.float64)
    assert constant[0] == pytest.approx(2 * length)
    assert (constant[1:].abs() < 1e-10).all()


def test_frequency_mlp_works_on_frequencies_of_every_column() -> None:
    torch.manual_seed(0)
    mlp = FrequencyMlp(5, 4, 8)
    tokens = torch.randn(2, 5, 3, 4)
    columns = [mlp(column[:, :, None]) for column in tokens.unbind(2)]
    torch.testing.assert_close(mlp(tokens), torch.cat(columns, dim=2))


def test_far_frames_are_seen_through_the_lowest_frequencies_only() -> None:
    torch.manual_seed(0)
    lifter = PoseFormerV2(TINY).eval()
    pose_2d = windows(27)
    high = cosine_table(27)[TINY.coefficients + 2].float()[:, None, None] * torch.randn(17, 2)
    with torch.no_grad():
        plain = lifter.frequency_tokens(pose_2d)
        torch.testing.assert_close(lifter.frequency_tokens(pose_2d + high), plain, atol=1e-3, rtol=0)
        low = pose_2d + cosine_table(27)[1].float()[:, None, None]
        assert not torch.allclose(lifter.frequency_tokens(low), plain, atol=1e-1)
        changed = pose_2d.clone()
        changed[:, [11, 15]] += 1
        assert torch.equal(lifter.frame_tokens(changed), lifter.frame_tokens(pose_2d))
        changed[:, 12] += 1
        assert not torch.allclose(lifter.frame_tokens(changed), lifter.frame_tokens(pose_2d))


def test_every_frame_is_lifted_from_the_frames_around_it() -> None:
    torch.manual_seed(0)
    lifter = PoseFormerV2(TINY).eval()
    pose_2d = windows(9 + 26)
    with torch.no_grad():
        alone = torch.stack([lifter.lift(pose_2d[:, start : start + 27]) for start in range(9)], dim=1)
    poses = lifter.predict(Batch(pose_2d, ("", ""), torch.arange(2)), Sampling(flip=False))[:, 0, 0]
    torch.testing.assert_close(poses[:, :, 1:], alone[:, :, 1:], atol=1e-5, rtol=0)


@pytest.mark.parametrize("file", ["poseformerv2_small", "poseformerv2_swapped"])
def test_released_entries_are_imported(file: str, tmp_path: Path) -> None:
    ours, released = imported_outputs(tmp_path, "poseformerv2", file, "out", length=27)
    torch.testing.assert_close(ours, released, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "options",
    [
        {"length": 4}, {"kept": 2}, {"kept": 245}, {"coefficients": 0}, {"coefficients": 244}, {"channels": 12},
        {"depth": 0}, {"mlp_ratio": 0.0}, {"drop_path": 1.0}, {"input_gain": 0.0}, {"table_std": -1.0},
        {"frames": 0},
    ],
)  # fmt: skip
def test_options_are_checked(options: dict) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        PoseFormerV2Config(**options)
