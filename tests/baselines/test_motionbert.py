from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from baselines.motionbert import MotionBERT, MotionBERTConfig, motionbert_loss
from baselines.published.motionbert import ADAPTER
from models.checkpoints.importer import import_checkpoint
from models.errors import InputError
from models.lifter import Batch, Sampling
from models.losses import mean_joint_distance
from models.skeleton import HUMAN36M, MPI_INF_3DHP
from tests.models.checkpoints.checkpoints import golden_checkpoint

SMALL = MotionBERTConfig(frames=5, channels=16, depth=2, heads=2, representation=24, weight_std=0.1)


def batch(confidence: bool = True) -> Batch:
    generator = torch.Generator().manual_seed(1)
    seen = torch.rand(2, 5, 17, 3, generator=generator)
    pose_3d = torch.randn(2, 5, 17, 3, generator=generator)
    known = seen[..., 2] if confidence else None
    return Batch(seen[..., :2], ("", ""), torch.arange(2), pose_3d, confidence=known)


@pytest.mark.parametrize(
    ("options", "parameters"), [({}, 42_466_317), ({"channels": 256, "mlp_ratio": 4}, 16_001_549)]
)
def test_published_sizes(options: dict, parameters: int) -> None:
    config = replace(MotionBERT.presets["paper"].config, **options)
    with torch.device("meta"):
        lifter = MotionBERT(config)
    assert sum(parameter.numel() for parameter in lifter.parameters()) == parameters


def test_streams_start_as_equals() -> None:
    torch.manual_seed(0)
    stage = MotionBERT(SMALL).stages[0]
    tokens = torch.randn(2, 5, 17, 16)
    mean = (stage.spatial_first(tokens) + stage.temporal_first(tokens)) / 2
    torch.testing.assert_close(stage(tokens), mean)
    assert not torch.allclose(stage.spatial_first(tokens), stage.temporal_first(tokens))


def test_initial_weights_are_as_configured() -> None:
    torch.manual_seed(0)
    lifter = MotionBERT(MotionBERTConfig(frames=27, channels=128, depth=1))
    qkv = lifter.stages[0].spatial_first.spatial.attn.qkv.weight
    drawn = torch.cat([qkv.flatten(), lifter.frame_table.flatten()])
    assert drawn.std().item() == pytest.approx(0.02, rel=0.02)


def test_shorter_windows_use_the_first_frames_of_the_table() -> None:
    lifter = MotionBERT(SMALL).eval()
    assert lifter.lift_windows(torch.rand(1, 3, 17, 3)).shape == (1, 3, 17, 3)


def test_confidence_is_read_or_taken_as_one() -> None:
    torch.manual_seed(0)
    lifter = MotionBERT(SMALL).eval()
    given, missing = batch(), batch(confidence=False)
    with pytest.raises(InputError, match="no confidence"):
        lifter.predict(missing, Sampling())
    lifter.config = replace(SMALL, confidence="one")
    certain = replace(given, confidence=torch.ones_like(given.pose_2d[..., 0]))
    assert torch.equal(lifter.predict(missing, Sampling()), lifter.predict(certain, Sampling()))
    assert not torch.equal(lifter.predict(given, Sampling()), lifter.predict(certain, Sampling()))


@pytest.mark.parametrize("skeleton", [HUMAN36M, MPI_INF_3DHP], ids=lambda skeleton: skeleton.name)
@pytest.mark.parametrize("name", ["limb_variance", "limb_length", "angle", "angle_velocity"])
def test_losses_on_limbs_count_by_their_weight(name: str, skeleton) -> None:
    predicted, target = torch.randn(2, 2, 5, 17, 3)
    configs = [replace(SMALL, **{name: weight}) for weight in (0.0, 1.0, 2.0)]
    plain, once, twice = (motionbert_loss(predicted, target, config, skeleton) for config in configs)
    assert once > plain
    torch.testing.assert_close(twice - plain, 2 * (once - plain))


def test_without_further_weights_the_loss_is_the_position() -> None:
    predicted, target = torch.randn(2, 2, 5, 17, 3)
    config = replace(SMALL, scaled=0.0, velocity=0.0)
    assert torch.equal(motionbert_loss(predicted, target, config), mean_joint_distance(predicted, target))


def test_clips_overlap_by_two_thirds_at_paper_size() -> None:
    config = MotionBERT.presets["paper"].config
    with torch.device("meta"):
        lifter = MotionBERT(config)
    assert (lifter.train_frames, lifter.train_stride) == (243, 81)


@pytest.mark.parametrize(
    "options",
    [
        {"frames": 1},
        {"stride": 0},
        {"representation": 0},
        {"weight_std": 0.0},
        {"velocity": -1.0},
        {"angle": -1.0},
    ],
)
def test_options_are_checked(options: dict) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        MotionBERTConfig(**options)


def test_published_weights_lift_as_released_in_units_of_the_image(tmp_path: Path) -> None:
    path, vectors = golden_checkpoint("motionbert_small", tmp_path)
    imported = import_checkpoint(path, replace(ADAPTER, refusal=""), heads=4)
    assert imported.config == MotionBERTConfig(frames=27, channels=32, depth=2, heads=4, representation=64)
    with torch.no_grad():
        out = imported.build().lift_windows(vectors["x"])
    torch.testing.assert_close(out, vectors["out"], atol=5e-6, rtol=0)
