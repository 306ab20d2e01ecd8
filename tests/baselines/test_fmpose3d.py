"""FMPose3D: size, graphs, the flow and its steps, hypotheses by name, mirror images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from baselines import fmpose3d
from baselines.fmpose3d import FMPose3D, FMPose3DConfig, distances, flow, graphs
from baselines.published.fmpose3d import ADAPTER
from models.checkpoints.importer import import_checkpoint
from models.errors import InputError
from models.lifter import Batch, Sampling
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton
from tests.models.checkpoints.checkpoints import golden_checkpoint

SMALL = FMPose3DConfig(frames=3, channels=16, layers=2, heads=2, hidden=24)


def small(**options) -> FMPose3D:
    torch.manual_seed(0)
    return FMPose3D(replace(SMALL, **options)).eval()


def batch(windows: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(1)
    pose_2d = torch.randn(windows, 3, 17, 2, generator=generator)
    return Batch(pose_2d, ("",) * windows, torch.arange(windows) + 7)


def test_parameters() -> None:
    with torch.device("meta"):
        lifter = FMPose3D(FMPose3D.presets["paper"].config)
    assert sum(parameter.numel() for parameter in lifter.parameters()) == 16_045_837


@pytest.mark.parametrize("skeleton", [HUMAN36M, MPI_INF_3DHP], ids=lambda skeleton: skeleton.name)
def test_graphs(skeleton: Skeleton) -> None:
    own, farther, nearer, mirrored = graphs(skeleton)
    torch.testing.assert_close((own + farther + nearer + mirrored).sum(0), torch.ones(17))
    assert torch.equal(own != 0, torch.eye(17, dtype=torch.bool))
    assert torch.equal(farther != 0, (nearer != 0).T)
    assert int((mirrored != 0).sum()) == 12
    spine = skeleton.joints.index("Spine")
    assert distances(skeleton)[spine] == 0
    assert not nearer[:, spine].any(), "no joint is nearer to the spine than the spine"


def test_a_flow_of_constant_velocity_is_straight() -> None:
    start, velocity = torch.randn(2, 17, 3), torch.randn(2, 17, 3)
    estimates = flow(lambda poses, time: velocity, start, 4)
    torch.testing.assert_close(estimates, (start + velocity).expand(4, -1, -1, -1))


def test_a_flow_visits_evenly_spaced_times_and_ends_at_its_sample() -> None:
    visited = []

    def velocity(poses: torch.Tensor, time: float) -> torch.Tensor:
        visited.append((time, poses))
        return torch.full_like(poses, 1 + time)

    estimates = flow(velocity, torch.zeros(1), 4)
    assert [time for time, _ in visited] == [0, 0.25, 0.5, 0.75]
    assert [float(poses) for _, poses in visited] == pytest.approx([0, 0.25, 0.5625, 0.9375])
    assert estimates[:, 0].tolist() == pytest.approx([1, 0.25 + 0.75 * 1.25, 0.5625 + 0.5 * 1.5, 0.9375 + 0.4375])


@pytest.mark.parametrize("mirror", ["averaged", "hypotheses"])
def test_fewer_hypotheses_and_the_first_step_are_read_off_more(mirror: str) -> None:
    lifter, data = small(mirror=mirror), batch()
    many = lifter.predict(data, Sampling(hypotheses=5, steps=3))
    assert many.shape == (2, 3, 5, 3, 17, 3)
    torch.testing.assert_close(many[:, :, :2], lifter.predict(data, Sampling(hypotheses=2, steps=3)))
    torch.testing.assert_close(many[:, :1], lifter.predict(data, Sampling(hypotheses=5, steps=1)))
    assert not torch.allclose(many[:, :2], lifter.predict(data, Sampling(hypotheses=5, steps=2)), atol=1e-3)


def test_hypotheses_follow_seed_and_key() -> None:
    lifter, data = small(), batch()
    poses = lifter.predict(data, Sampling(hypotheses=2, steps=2))
    assert not torch.allclose(poses, lifter.predict(data, Sampling(hypotheses=2, steps=2, seed=1)))
    moved = replace(data, window_keys=data.window_keys.flip(0), pose_2d=data.pose_2d.flip(0))
    torch.testing.assert_close(lifter.predict(moved, Sampling(hypotheses=2, steps=2)), poses.flip(0))


def test_a_mirror_image_is_averaged_or_a_hypothesis_of_its_own() -> None:
    data = batch()
    averaged = small().predict(data, Sampling(hypotheses=2, steps=2))
    as_released = small(mirror="hypotheses").predict(data, Sampling(hypotheses=4, steps=2))
    torch.testing.assert_close(averaged, as_released.unflatten(2, (2, 2)).mean(3))
    plain = small().predict(data, Sampling(hypotheses=2, steps=2, flip=False))
    torch.testing.assert_close(as_released[:, :, ::2], plain)
    one = small(mirror="hypotheses").predict(data, Sampling(hypotheses=1, steps=2))
    torch.testing.assert_close(one, plain[:, :, :1])


def test_frames_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    lifter, data = small(), batch()
    whole = lifter.predict(data, Sampling(hypotheses=4, steps=2))
    monkeypatch.setattr(fmpose3d, "CACHED_VALUES", 5000)
    torch.testing.assert_close(lifter.predict(data, Sampling(hypotheses=4, steps=2)), whole)


def test_the_root_is_generated_where_the_camera_sees_it() -> None:
    path = torch.randn(2, 1, 3)
    data = Batch(torch.randn(2, 1, 17, 2), ("", ""), torch.arange(2), torch.randn(2, 1, 17, 3), trajectory=path)
    target = small().target(data)
    assert torch.equal(target[:, :, 0], path)
    assert torch.equal(target[:, :, 1:], data.pose_3d[:, :, 1:])


def test_every_window_has_one_time() -> None:
    lifter, target, noise = small(), torch.randn(2, 3, 17, 3), torch.randn(2, 3, 17, 3)
    seen, times = torch.randn(2, 3, 17, 2), torch.tensor([0.2, 0.7])
    alone = [
        lifter.flow_loss(seen[row, :, None], target[row, :, None], noise[row, :, None], time.expand(3))
        for row, time in enumerate(times)
    ]
    torch.testing.assert_close(lifter.flow_loss(seen, target, noise, times), torch.stack(alone).mean())


def test_dropout_acts_in_training_alone() -> None:
    lifter = small(drop_path=0.0, dropout=0.0, mlp_dropout=0.0)
    inputs = torch.randn(2, 17, 2), torch.randn(2, 17, 3), torch.tensor([0.5])
    assert torch.equal(lifter.network(*inputs), lifter.network(*inputs))
    lifter.train()
    assert not torch.equal(lifter.network(*inputs), lifter.network(*inputs)), "attention weights are dropped"


@pytest.mark.parametrize("steps", [0, 1001])
def test_steps_are_checked(steps: int) -> None:
    with pytest.raises(InputError, match=f"steps is {steps}"):
        small().predict(batch(), Sampling(steps=steps))


@pytest.mark.parametrize(
    "options",
    [{"channels": 6}, {"layers": 0}, {"hidden": 0}, {"mlp_dropout": 1.0}, {"drop_path": -0.1}, {"mirror": "x"}],
    ids=str,
)
def test_options_are_checked(options: dict) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        FMPose3DConfig(**options)


def test_a_published_checkpoint_is_imported(tmp_path: Path) -> None:
    path, vectors = golden_checkpoint("fmpose3d_small", tmp_path)
    with pytest.raises(InputError, match="A"):
        import_checkpoint(path, ADAPTER)
    stored = torch.load(path, weights_only=True)
    stored["model_pos"]["module.A"] = graphs(HUMAN36M)
    torch.save(stored["model_pos"], path)
    imported = import_checkpoint(path, ADAPTER)
    config = imported.config
    assert (config.channels, config.layers, config.hidden, config.heads) == (32, 2, 1024, 8)
    with torch.no_grad():
        found = imported.build().network(
            vectors["x_2d"].flatten(0, 1), vectors["y_t"].flatten(0, 1), vectors["t"].flatten()
        )
    torch.testing.assert_close(found[:, None], vectors["velocity"], atol=1e-5, rtol=0)
