"""What every method of the registry's own must do, and what is particular to some."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from baselines.layers.convolutions import activate
from baselines.mixste import MixSTE
from baselines.motionbert import MotionBERTConfig
from baselines.poseformerv2 import PoseFormerV2Config
from baselines.pstmo import PSTMO, PSTMOConfig
from baselines.tcn import TCN, TCNConfig
from baselines.trivial import MeanPose, NearestPose, NearestPoseConfig
from bench.config import registry
from bench.measure.compilation import compile_part, release_part
from models.config import WindowConfig
from models.errors import InputError
from models.layers.transformer import TrunkConfig
from models.lifter import Batch, Lifter, Sampling
from models.skeleton import HUMAN36M, HUMANEVA15, MPI_INF_3DHP, Skeleton

METHODS = [registry.METHODS.load(name) for name in registry.METHODS.own]
POSES = torch.randn(300, 17, 3, generator=torch.Generator().manual_seed(0)) / 3
POSES -= POSES[:, :1].clone()


def tiny(cls: type[Lifter], skeleton: Skeleton = HUMAN36M) -> Lifter:
    torch.manual_seed(0)
    lifter = cls(cls.presets["tiny"].config, skeleton)
    poses = POSES[:, : len(skeleton.joints)]
    lifter.fit_statistics(poses[..., :2], poses)
    return lifter


def batch(lifter: Lifter, frames: int, windows: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(1)
    joints = len(lifter.skeleton.joints)
    pose_2d = torch.randn(windows, frames + sum(lifter.context), joints, 2, generator=generator)
    still = torch.randn(windows, 1, joints, 3, generator=generator)
    pose_3d = still + 0.01 * torch.randn(windows, frames, joints, 3, generator=generator)
    confidence = torch.rand(pose_2d.shape[:-1], generator=generator)
    data = Batch(
        pose_2d,
        ("Walking", "Eating", "Walking")[:windows],
        torch.arange(windows),
        pose_3d,
        trajectory=torch.tensor([0.1, -0.2, 4.5]).expand(windows, frames, 3),
        camera=torch.tensor([[2.3, 2.3, 0, 0, 0, 0, 0, 0, 0]]).expand(windows, -1),
        confidence=confidence,
    )
    if not lifter.random_frames:
        return data
    further = torch.randn(windows, lifter.random_frames, joints, 5, generator=generator)
    return replace(data, random_2d=further[..., :2], random_3d=further[..., 2:])


def part(data: Batch, first: int) -> Batch:
    """The windows from ``first`` on, without ground truth."""
    kept: dict[str, Any] = {
        field.name: value[first:]
        for field in fields(data)
        if isinstance(value := getattr(data, field.name), torch.Tensor)
    }
    return replace(
        Batch(actions=data.actions[first:], **kept), pose_3d=None, trajectory=None, random_3d=None, camera=None
    )


@pytest.mark.parametrize("cls", METHODS)
def test_the_compiled_part_is_one_graph_of_fixed_shapes_and_gives_the_same(
    cls: type[Lifter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``fullgraph`` refuses a graph break, as ``torch._dynamo.explain`` would count it, and ``error_on_recompile``
    a second graph: every step, and the next batch, goes through the first one."""
    lifter = tiny(cls).eval()
    data, sampling = part(batch(lifter, lifter.frames), 0), Sampling(hypotheses=3, steps=2)
    with torch.inference_mode():
        expected = lifter.predict(data, sampling)
        counters.clear()
        monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
        compile_part(lifter, dynamic=False)
        with torch._dynamo.config.patch(error_on_recompile=True):
            found = lifter.predict(data, sampling)
            lifter.predict(replace(data, window_keys=data.window_keys + 9, pose_2d=data.pose_2d + 1), sampling)
    assert counters["stats"]["unique_graphs"] == 1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cls", METHODS)
def test_coordinates_are_not_rounded_under_autocast(cls: type[Lifter]) -> None:
    """bf16 would leave 4 mm between two coordinates of a metre: noise in velocities and accelerations."""
    lifter = tiny(cls).eval()
    data = part(batch(lifter, lifter.frames), 0)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        poses = lifter.predict(data, Sampling(hypotheses=2, steps=2))
    moved = poses[..., 1:, :]  # without the root, which is 0
    assert poses.dtype == torch.float32
    assert (moved != moved.bfloat16()).float().mean() > 0.9


@pytest.mark.parametrize("cls", [cls for cls in METHODS if cls.trains_compiled_part])
def test_a_compiled_training_step_is_one_graph_and_gives_the_same(
    cls: type[Lifter], monkeypatch: pytest.MonkeyPatch
) -> None:
    lifter = tiny(cls).train()
    data = batch(lifter, lifter.train_frames)

    def step(done: float) -> dict[str, torch.Tensor]:
        lifter.zero_grad()
        lifter.on_progress(done)
        torch.manual_seed(1)
        lifter.training_loss(data).backward()
        return {name: entry.grad.clone() for name, entry in lifter.named_parameters() if entry.grad is not None}

    expected = step(0.0)
    counters.clear()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    compile_part(lifter, dynamic=False, setting="training.compile")
    with torch._dynamo.config.patch(error_on_recompile=True):
        found = step(0.0)
        step(0.7)
    assert counters["stats"]["unique_graphs"] == 1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    release_part(lifter)
    counters.clear()
    step(0.0)
    assert not counters["stats"]


class Made(TorchFunctionMode):
    """Counts tensors that are made of numbers of the host on another device than the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        elsewhere = torch.device((kwargs or {}).get("device") or "cpu").type != "cpu"
        self.number += elsewhere and func in (torch.tensor, torch.as_tensor)
        return func(*args, **(kwargs or {}))


class Copies(TorchDispatchMode):
    """Counts operations that copy from one device to another."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)]
        self.number += len({tensor.device.type for tensor in tensors}) > 1
        return result


@pytest.mark.parametrize("cls", [cls for cls in METHODS if cls.probabilistic])
def test_no_denoising_step_copies_to_the_device_or_waits_for_it(cls: type[Lifter]) -> None:
    lifter = tiny(cls).eval().to("meta")
    data = replace(batch(lifter, lifter.frames).to("meta"), window_keys=torch.arange(3), pose_3d=None, camera=None)
    copies = []
    for steps in (1, 2, 6):
        with Copies() as copied, Made() as made, torch.inference_mode():
            lifter.predict(data, Sampling(hypotheses=3, steps=steps))
        copies.append(copied.number + made.number)
    assert copies[1] == copies[2] > 0, "the first call may encode text"


@pytest.mark.parametrize("skeleton", [HUMAN36M, MPI_INF_3DHP, HUMANEVA15], ids=lambda skeleton: skeleton.name)
@pytest.mark.parametrize("cls", METHODS)
def test_prediction(cls: type[Lifter], skeleton: Skeleton) -> None:
    lifter = tiny(cls, skeleton).eval()
    steps, hypotheses = (2, 3) if cls.probabilistic else (1, 1)
    data, sampling = batch(lifter, lifter.frames), Sampling(hypotheses=3, steps=2)
    poses = lifter.predict(data, sampling)
    assert poses.shape == (3, steps, hypotheses, lifter.frames, len(skeleton.joints), 3)
    assert poses.dtype == torch.float32
    assert (poses[..., skeleton.root, :] == 0).all()
    assert torch.equal(poses, lifter.predict(data, sampling))
    assert torch.equal(poses, lifter.predict(part(data, 0), sampling))


@pytest.mark.parametrize("cls", [cls for cls in METHODS if cls.probabilistic])
def test_one_step_is_the_first_of_several_where_the_method_says_so(cls: type[Lifter]) -> None:
    lifter = tiny(cls).eval()
    data = part(batch(lifter, lifter.frames), 0)
    one, several = (lifter.predict(data, Sampling(hypotheses=2, steps=steps))[:, 0] for steps in (1, 3))
    assert torch.allclose(one, several, atol=1e-6) == cls.begins_alike


def looked_at(lifter: Lifter) -> int:
    """Number of input frames of which the pose in the middle of a window changes when they do.

    Noise on the weights stands for a training: some methods hardly look at other frames before it.
    """
    torch.manual_seed(0)
    for parameter in lifter.parameters():
        parameter.detach().add_(0.1 * torch.randn_like(parameter))
    plain = batch(lifter, lifter.frames, windows=1).pose_2d  # [1, T, J, 2]
    changed = plain.repeat(1 + plain.shape[1], 1, 1, 1)  # the plain window, then one for each changed frame
    for frame in range(plain.shape[1]):
        changed[1 + frame, frame] = 3 * torch.randn(plain.shape[2:])
    data = replace(batch(lifter, lifter.frames, windows=1), pose_3d=None, random_3d=None, camera=None)
    copies = {
        field.name: value.expand(len(changed), *value.shape[1:])
        for field in fields(data)
        if isinstance(value := getattr(data, field.name), torch.Tensor)
    }
    data = Batch(actions=data.actions * len(changed), **copies | {"pose_2d": changed})
    with torch.inference_mode():
        poses = lifter.eval().predict(data, Sampling())[:, -1, 0, lifter.frames // 2]  # [1 + T, J, 3]
    assert poses.isfinite().all()
    return int(((poses[1:] - poses[:1]).abs().amax((1, 2)) > 1e-3 * poses.abs().max()).sum())


@pytest.mark.parametrize("cls", METHODS)
def test_a_pose_is_computed_from_as_many_frames_as_the_method_says(cls: type[Lifter]) -> None:
    assert looked_at(tiny(cls)) == tiny(cls).input_frames


@pytest.mark.parametrize(
    ("config", "frames"),
    [
        (TCNConfig(9, (3, 3, 3), channels=16), 27),
        (TCNConfig(9, (3, 3), channels=16, causal=True), 9),
        (PSTMOConfig(9, (3, 3), every=3, channels=32, hidden=64, layers=2, heads=2), 9),
    ],
)
def test_a_longer_look_than_the_window_and_a_coarser_one(config: Any, frames: int) -> None:
    lifter = (TCN if isinstance(config, TCNConfig) else PSTMO)(config)
    assert looked_at(lifter) == lifter.input_frames == frames


@pytest.mark.parametrize("cls", METHODS)
def test_batching_does_not_change_a_prediction(cls: type[Lifter]) -> None:
    lifter = tiny(cls).eval()
    data, sampling = batch(lifter, lifter.frames), Sampling(hypotheses=2, steps=2)
    alone = lifter.predict(part(data, 2), sampling)
    torch.testing.assert_close(lifter.predict(data, sampling)[2:], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("cls", [cls for cls in METHODS if not cls.probabilistic])
def test_mirrored_input_gives_the_mirrored_pose(cls: type[Lifter]) -> None:
    lifter = tiny(cls).eval()
    data = batch(lifter, lifter.frames)
    mirrored = replace(
        data,
        pose_2d=HUMAN36M.mirror(data.pose_2d),
        confidence=data.confidence[..., list(HUMAN36M.mirrored_order)],
        random_2d=None if data.random_2d is None else HUMAN36M.mirror(data.random_2d),
    )
    poses, reflected = lifter.predict(data, Sampling()), lifter.predict(mirrored, Sampling())
    torch.testing.assert_close(HUMAN36M.mirror(reflected), poses, atol=1e-5, rtol=0)


@pytest.mark.parametrize("cls", METHODS)
def test_training_loss_is_a_scalar_that_training_lowers(cls: type[Lifter]) -> None:
    lifter = tiny(cls).train()
    data = batch(lifter, lifter.train_frames)
    torch.manual_seed(0)
    before = lifter(data)
    assert before.shape == ()
    trained = [parameter for parameter in lifter.parameters() if parameter.requires_grad]
    if not trained:
        assert cls in (MeanPose, NearestPose)
        return
    optimiser = torch.optim.AdamW(trained, 2e-3)
    for _ in range(15):
        torch.manual_seed(0)
        loss = lifter(data)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.9 * before


@pytest.mark.parametrize("cls", METHODS)
def test_state_is_saved_and_loaded_whole(cls: type[Lifter]) -> None:
    lifter = tiny(cls).eval()
    other = cls(cls.presets["tiny"].config)
    other.load_state_dict(lifter.state_dict())
    data = batch(lifter, lifter.frames)
    assert torch.equal(other.eval().predict(data, Sampling()), lifter.predict(data, Sampling()))


@pytest.mark.parametrize("cls", METHODS)
def test_presets(cls: type[Lifter]) -> None:
    assert list(cls.presets) == ["tiny", "small", "base", "paper"]
    frames = [preset.config.frames for preset in cls.presets.values()]
    assert frames == sorted(frames)
    assert frames[-1] == 243
    assert all(isinstance(preset.config, cls.Config) for preset in cls.presets.values())
    assert {"frames"} <= {field.name for field in fields(cls.Config)}


def test_nearest_pose_finds_a_training_pose() -> None:
    lifter = NearestPose(NearestPoseConfig(frames=3, stored=300))
    lifter.fit_statistics(POSES[..., :2], POSES)
    shown = POSES[[5, 17, 250]]
    data = Batch((2.5 * shown[..., :2] + 0.3)[None], ("Walking",), torch.arange(1))
    torch.testing.assert_close(lifter.predict(data, Sampling(flip=False))[0, 0, 0], shown)


def test_nearest_pose_keeps_evenly_spaced_poses() -> None:
    lifter = NearestPose(NearestPoseConfig(frames=3, stored=3))
    lifter.fit_statistics(POSES[:101, :, :2], POSES[:101])
    torch.testing.assert_close(lifter.pose_3d, POSES[[0, 50, 100]])


def test_mean_pose_is_the_mean() -> None:
    lifter = tiny(MeanPose)
    data = batch(lifter, lifter.frames)
    torch.testing.assert_close(lifter.predict(data, Sampling(flip=False))[1, 0, 0, 4], POSES.mean(0))


@pytest.mark.parametrize("cls", [MeanPose, NearestPose])
def test_an_unfitted_predictor_says_so(cls: type[Lifter]) -> None:
    lifter = cls(cls.presets["tiny"].config)
    with pytest.raises(InputError, match="seen no training pose"):
        lifter.predict(batch(lifter, lifter.frames), Sampling())


@pytest.mark.parametrize("causal", [False, True])
def test_tcn_forms_agree_and_causal_sees_no_future(causal: bool) -> None:
    torch.manual_seed(0)
    lifter = TCN(TCNConfig(frames=9, filter_widths=(3, 5), channels=8, causal=causal)).eval()
    assert lifter.context == ((14, 0) if causal else (7, 7))
    data = batch(lifter, 9)
    dilated = lifter.network.dilated(data.pose_2d)
    strided = torch.cat([lifter.network.strided(data.pose_2d[:, start : start + 15]) for start in range(9)], dim=1)
    torch.testing.assert_close(dilated, strided)
    changed = data.pose_2d.clone()
    changed[:, sum(lifter.context) - lifter.context[1] + 5 :] += 1
    moved = (lifter.network.dilated(changed) != dilated).any(dim=(0, 2, 3))
    assert moved[:5].any() != causal


def test_what_tcn_drops_is_drawn_as_for_the_published_layout() -> None:
    """A training goes as one with strided convolutions, but for rounding."""
    rows, dropout = torch.rand(4, 5, 6), torch.nn.Dropout(0.4)
    torch.manual_seed(0)
    found = activate(rows, torch.nn.Identity(), dropout)
    torch.manual_seed(0)
    torch.testing.assert_close(found, dropout(rows.transpose(1, 2).contiguous()).transpose(1, 2))
    torch.testing.assert_close(activate(rows, torch.nn.Identity(), dropout.eval()), rows)


@pytest.mark.parametrize(
    "options",
    [{"filter_widths": (3, 2)}, {"filter_widths": ()}, {"channels": 0}, {"dropout": 1.0}, {"frames": 0}],
)
def test_tcn_options_are_checked(options: dict) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        TCNConfig(**options)


def test_other_options_are_checked() -> None:
    with pytest.raises(InputError, match="frames"):
        WindowConfig(frames=-3)
    with pytest.raises(InputError, match="stored"):
        NearestPoseConfig(stored=0)
    with pytest.raises(InputError, match="2 or more"):
        MixSTE(TrunkConfig(frames=1))
    for config in (MotionBERTConfig, PoseFormerV2Config):
        with pytest.raises(InputError, match="checkpointing"):
            config(checkpointing=True)
