import pytest
import torch

from models.diffusion.process import cosine_schedule, ddim_step, q_sample, sample, visited_times, window_noise
from models.errors import InputError

SHAPE = (9, 17, 3)


def test_noise_does_not_depend_on_the_batch() -> None:
    keys = torch.tensor([12, -7, 2**62])
    together = window_noise(keys, 5, 3, 4, SHAPE)
    alone = torch.cat([window_noise(key[None], 5, 3, 4, SHAPE) for key in keys], dim=1)
    assert torch.equal(together, alone)
    assert together.dtype == torch.float32
    assert together.shape == (4, 3, 3, *SHAPE)


def test_fewer_hypotheses_and_steps_are_a_prefix() -> None:
    keys = torch.tensor([3, 4])
    more, fewer = window_noise(keys, 0, 5, 6, SHAPE), window_noise(keys, 0, 2, 3, SHAPE)
    assert torch.equal(more[:3, :, :2], fewer)


def test_every_draw_is_its_own() -> None:
    noise = window_noise(torch.tensor([0, 1]), 0, 2, 2, SHAPE).flatten(0, 2).flatten(1)
    other_seed = window_noise(torch.tensor([0, 1]), 1, 2, 2, SHAPE).flatten(0, 2).flatten(1)
    rows = torch.cat([noise, other_seed])
    assert len(rows.unique(dim=0)) == len(rows)
    correlation = torch.corrcoef(rows) - torch.eye(len(rows))
    assert correlation.abs().max() < 0.2
    assert abs(rows.mean().item()) < 0.05
    assert abs(rows.std().item() - 1) < 0.05


def test_the_first_step_is_the_same_for_every_number_of_steps() -> None:
    assert {visited_times(steps)[0] for steps in (1, 2, 5, 20, 1000)} == {999}
    assert visited_times(1000) == list(range(999, -2, -1))


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_steps_out_of_range(steps: int) -> None:
    with pytest.raises(InputError, match="steps"):
        visited_times(steps)


def test_sampler_returns_a_perfect_estimate() -> None:
    clean = torch.rand(2, 1, *SHAPE) - 0.5
    noise = window_noise(torch.tensor([0, 1]), 0, 3, 4, SHAPE)
    poses = sample(lambda poses, time: clean.expand_as(poses), noise, 2.0, cosine_schedule())
    torch.testing.assert_close(poses, 2 * clean[:, None].expand_as(poses))


def test_ddim_step_keeps_a_diffused_pose_on_its_path() -> None:
    """With the true clean pose, a step lands where diffusing to the next time would, in distribution."""
    signal = cosine_schedule()
    generator = torch.Generator().manual_seed(0)
    clean = torch.full((200_000,), 0.7)
    start, fresh = torch.randn(2, len(clean), generator=generator)
    current = q_sample(clean, start, torch.full((len(clean),), 700), signal)
    after = ddim_step(current, clean, fresh, 700, 300, signal)
    share = float(signal[300])
    assert abs(after.mean().item() - share**0.5 * 0.7) < 0.005
    assert abs(after.var().item() - (1 - share)) < 0.005


def test_no_step_makes_a_coefficient_imaginary() -> None:
    signal = cosine_schedule()
    for steps in (1, 2, 3, 7, 1000):
        poses = sample(lambda poses, time: poses.tanh(), torch.randn(steps, 1, 1, 1, 1, 3), 1.0, signal)
        assert torch.isfinite(poses).all()
