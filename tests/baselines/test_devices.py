"""Every method makes its tensors on the device that it is on.

PyTorch's device ``meta`` stands for a GPU: tensors there have a shape and no values, and an operation with one of
the CPU is an error. What must read values is left out: the noise of diffusion methods, which is drawn on the CPU
from ``window_keys``.
"""

from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.config.registry import METHODS
from models.diffusion import process
from models.lifter import Batch, Sampling
from models.skeleton import HUMAN36M

J = len(HUMAN36M.joints)
FIRST_STAGES = {
    name: first
    for name in METHODS.names()
    if (first := METHODS.load(name).first_stage(METHODS.load(name).presets["tiny"].config))
}


class SinglePrecision(TorchDispatchMode):
    """Refuses tensors in double precision on the device: Apple's GPUs have none."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.device.type == "meta":
                assert tensor.dtype != torch.float64, f"{function} is in double precision"
        return result


class Waits(TorchDispatchMode):
    """Lists operations that copy between the devices and wait until the device has done all it was given."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)]
        between = len({tensor.device.type for tensor in tensors if tensor.dim() or tensor is result}) > 1
        if between and not (kwargs or {}).get("non_blocking") and not any(entry is True for entry in args):
            self.found.append(str(function))
        return result


def batch_of(lifter, frames):
    """Two windows on the device; the keys of windows are read, and stay on the CPU."""
    left, right = lifter.context
    count = lifter.random_frames
    batch = Batch(
        pose_2d=torch.zeros(2, left + frames + right, J, 2),
        actions=("Walking", "Sitting"),
        window_keys=torch.arange(2),
        pose_3d=torch.zeros(2, frames, J, 3),
        trajectory=torch.ones(2, frames, 3),
        camera=torch.ones(2, 9),
        confidence=torch.ones(2, left + frames + right, J),
        random_2d=torch.zeros(2, count, J, 2) if count else None,
        random_3d=torch.zeros(2, count, J, 3) if count else None,
    )
    return replace(batch.to("meta"), window_keys=batch.window_keys)


def on_device(name):
    kind = METHODS.load(name)
    lifter = kind(kind.resolve_config(kind.presets["tiny"].config))
    lifter.fit_statistics(torch.randn(4, J, 2), torch.randn(4, J, 3))
    return lifter.to("meta")


@pytest.fixture(autouse=True)
def like_apples(monkeypatch):
    """What is computed in double precision goes to the CPU and back, as from Apple's GPU."""
    monkeypatch.setattr(process, "in_reach_of_double", lambda poses: torch.zeros(poses.shape))


@pytest.mark.parametrize("name", METHODS.names())
def test_a_training_step_stays_on_the_device(name):
    train(on_device(name))


@pytest.mark.parametrize("name", METHODS.names())
def test_a_training_step_waits_for_nothing(name, monkeypatch):
    monkeypatch.undo()
    lifter = on_device(name).train()
    with Waits() as waits:
        loss = lifter.training_loss(batch_of(lifter, lifter.train_frames))
        if loss.requires_grad:
            loss.backward()
    assert waits.found == []


@pytest.mark.parametrize("name", FIRST_STAGES)
def test_a_step_of_a_first_stage_stays_on_the_device(name):
    train(FIRST_STAGES[name].lifter(FIRST_STAGES[name].config).to("meta"))


def train(lifter):
    with SinglePrecision():
        loss = lifter.training_loss(batch_of(lifter, lifter.train_frames))
        if loss.requires_grad:
            loss.backward()
    assert loss.device.type == "meta"
    gradients = [parameter.grad for parameter in lifter.parameters() if parameter.grad is not None]
    assert all(gradient.device.type == "meta" for gradient in gradients)


@pytest.mark.parametrize("name", METHODS.names())
def test_a_prediction_stays_on_the_device(name):
    lifter = on_device(name).eval()
    hidden = replace(batch_of(lifter, lifter.frames), pose_3d=None, trajectory=None, camera=None, random_3d=None)
    with torch.inference_mode(), SinglePrecision():
        poses = lifter.predict(hidden, Sampling(hypotheses=2, steps=2))
    h, k = (2, 2) if lifter.probabilistic else (1, 1)
    assert (poses.device.type, poses.shape) == ("meta", (2, k, h, lifter.frames, J, 3))
