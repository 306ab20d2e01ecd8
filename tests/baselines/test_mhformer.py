from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.mhformer import MHFormer, MHFormerConfig
from baselines.published.mhformer import ADAPTER
from bench.data.windows import training_windows
from models import inference
from models.checkpoints.importer import import_checkpoint
from models.errors import InputError
from models.lifter import Batch, Sampling
from models.losses import mean_joint_distance
from tests.bench.data import make_sequence
from tests.models.checkpoints.checkpoints import golden_checkpoint

SMALL = MHFormerConfig(frames=5, length=9, channels=16, hidden=24, generator_layers=1, layers=2)


def batch(frames: int) -> Batch:
    generator = torch.Generator().manual_seed(1)
    pose_2d = torch.rand(2, frames + 8, 17, 2, generator=generator)
    return Batch(pose_2d, ("", ""), torch.arange(2), torch.randn(2, frames, 17, 3, generator=generator))


@pytest.mark.parametrize(
    ("length", "parameters"), [(27, 19_184_517), (81, 19_837_545), (243, 25_165_077), (351, 31_516_125)]
)
def test_published_sizes(length: int, parameters: int) -> None:
    config = replace(MHFormer.presets["paper"].config, length=length)
    with torch.device("meta"):
        lifter = MHFormer(config)
    assert sum(parameter.numel() for parameter in lifter.parameters()) == parameters
    assert (lifter.train_frames, lifter.train_stride) == (length, 1)


def test_every_frame_is_the_centre_of_its_own_window(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    lifter = MHFormer(SMALL).eval()
    data = batch(5)
    poses = lifter.predict(data, Sampling(flip=False))[:, 0, 0]
    with torch.no_grad():
        one_by_one = [lifter.lift(data.pose_2d[:, first : first + 9])[:, 4] for first in range(5)]
    expected = torch.stack(one_by_one, dim=1)
    torch.testing.assert_close(poses[:, :, 1:], expected[:, :, 1:])
    monkeypatch.setattr(inference, "FRAMES_AT_ONCE", 20)
    torch.testing.assert_close(lifter.predict(data, Sampling(flip=False))[:, 0, 0], poses)


def test_training_supervises_all_frames_and_sees_no_other() -> None:
    torch.manual_seed(0)
    lifter = MHFormer(replace(SMALL, dropout=0.0, embedding_dropout=0.0, drop_path=0.0))
    data = batch(9)
    loss = lifter.training_loss(data)
    torch.testing.assert_close(loss, mean_joint_distance(lifter.lift(data.pose_2d[:, 4:13]), data.pose_3d))
    changed = data.pose_2d.clone()
    changed[:, :4] += 1
    changed[:, 13:] += 1
    assert torch.equal(lifter.training_loss(replace(data, pose_2d=changed)), loss)


def test_windows_stand_around_every_frame_where_they_are_padded() -> None:
    sequence = make_sequence(30)
    within, padded = (
        training_windows([sequence], MHFormer(replace(SMALL, stride=1, padded=flag)), flip=False)
        for flag in (False, True)
    )
    assert (len(within), len(padded)) == (22, 30)
    first = padded.batch(np.array([0]))
    assert torch.equal(first.pose_3d[0, :5], first.pose_3d[0, :1].expand(5, -1, -1))


def test_streams_interact_one_after_the_other() -> None:
    torch.manual_seed(0)
    interaction = MHFormer(SMALL).eval().interaction
    streams = list(torch.randn(3, 2, 9, 1, 16))
    first, second, third = interaction.attentions
    a = streams[0] + first(streams[1], streams[2], streams[0])
    b = streams[1] + second(a, streams[2], streams[1])
    c = streams[2] + third(a, b, streams[2])
    torch.testing.assert_close(torch.stack(interaction(streams)), torch.stack(interaction.mixing([a, b, c])))


def test_dropout_and_stochastic_depth_act_in_training_alone() -> None:
    torch.manual_seed(0)
    lifter = MHFormer(replace(SMALL, embedding_dropout=0.0)).train()
    seen = torch.rand(2, 9, 17, 2)
    assert not torch.equal(lifter.lift(seen), lifter.lift(seen))
    lifter.eval()
    assert torch.equal(lifter.lift(seen), lifter.lift(seen))


@pytest.mark.parametrize(
    "options",
    [
        {"length": 21}, {"length": 18}, {"stride": 0}, {"channels": 12}, {"hidden": 0}, {"generator_layers": 0},
        {"layers": 0}, {"dropout": 1.0}, {"embedding_dropout": -0.1}, {"drop_path": 1.0},
    ],
    ids=str,
)  # fmt: skip
def test_options_are_checked(options: dict) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        MHFormerConfig(**options)


@pytest.mark.parametrize("name", ["mhformer_small", "mhformer_w81"])
def test_a_published_checkpoint_is_imported(name: str, tmp_path: Path) -> None:
    path, vectors = golden_checkpoint(name, tmp_path)
    imported = import_checkpoint(path, ADAPTER)
    assert imported.config.length == vectors.config["frames"]
    with torch.no_grad():
        out = imported.build().lift(vectors["x"])
    torch.testing.assert_close(out, vectors["out"], atol=1e-5, rtol=0)
