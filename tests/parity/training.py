"""Recorded trainings: the first optimiser steps of a published script, beside those of this suite's trainer.

The file gives the sequences, the order of their windows and the numbers that were drawn. Windows, batches, loss,
gradient, optimiser and schedules are the suite's own, by the recipe that is named "published".
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from bench.config.experiment import TrainingSpec
from bench.data.sequence import Sequence
from bench.data.windows import Windows, training_windows
from bench.training.accelerator import accelerator_for
from bench.training.recipe import fill_in, named_recipe
from bench.training.selection import CheckpointSelector
from bench.training.trainer import train
from models.checkpoints.adapter import CheckpointAdapter
from models.diffusion.denoiser import Denoiser
from models.lifter import Batch, Lifter, Recipe
from tests.parity.vectors import Case, Limit, Limits, Outputs, Vectors

LIMITS: Limits = (
    (r"x_2d|target|root_before_zeroing|batch_sizes|action", Limit(0)),
    (r"lr", Limit(0, 1e-12)),
    (r"loss|gradient_factor", Limit(0, 1e-5)),
    (r"grad_norm.*", Limit(0, 1e-4)),
    (r"update_norms_.*|param_norms_.*", Limit(0, 1e-3)),
    (r"probe_out_.*", Limit(5e-5)),
    (r"final\..*", Limit(1e-5)),
)

UPDATE_LIMITS: tuple[tuple[str, Limit | None], ...] = (
    (r".*(qkv\.bias|in_proj_bias)", Limit(0, 1e-2)),
    (r".*temporal_cross_attn\.key\.bias", None),
)
"""A key's bias has gradient 0 in theory (softmax does not see it); its steps are made of rounding noise."""

Probe = Callable[[], Tensor]
"""What the method, in evaluation mode, predicts of the file's probe."""


class _AllStepsDone(BaseException):
    """All recorded steps are done, in a training that would go on."""


@dataclass
class _Recorder:
    """Listens to a training from outside: to the method's batches and losses and to the optimiser's steps."""

    vectors: Vectors
    adapter: CheckpointAdapter
    lifter: Lifter
    probe: Probe
    batches: list[Batch] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    backward_squares: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    found: Outputs = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parameters = [parameter for parameter in self.lifter.parameters() if parameter.requires_grad]
        published = self.vectors.config.get("grad_param_names", [])
        self.names = [self.adapter.our_name(name) or name for name in published]
        self.first = self._weights()

    def run(self, training: Callable[[], object]) -> Outputs:
        """Our arrays, from a training that is listened to for as many steps as were recorded."""
        handles = [
            self.lifter.register_forward_pre_hook(self._see_batch),
            self.lifter.register_forward_hook(self._see_loss),
            register_optimizer_step_pre_hook(self._see_gradients),
            register_optimizer_step_post_hook(self._see_weights),
            *(parameter.register_post_accumulate_grad_hook(self._see_backward) for parameter in self.parameters),
        ]
        try:
            training()
        except _AllStepsDone:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return self.found | self._of_all_steps()

    def _see_batch(self, module: object, inputs: tuple[Batch]) -> None:
        self.batches.append(inputs[0])
        self.backward_squares.append(0.0)

    def _see_loss(self, module: object, inputs: object, loss: Tensor) -> None:
        self.losses.append(loss.item())

    def _see_backward(self, parameter: Tensor) -> None:
        assert parameter.grad is not None
        self.backward_squares[-1] += _norm(parameter.grad) ** 2

    def _see_gradients(self, optimizer: Optimizer, args: object, kwargs: object) -> None:
        if not self.rates:  # batch norms have seen the first batch by now, as they had in the recorded runs
            self.found["probe_out_start"] = self._probed()
        self.rates.append(optimizer.param_groups[0]["lr"])
        named = dict(self.lifter.named_parameters())
        grads = [named[name].grad if name in named else None for name in self.names]
        norms = [-1.0 if grad is None else _norm(grad) for grad in grads]
        self.found[f"grad_norms_step{len(self.rates)}"] = np.array(norms)
        every = [_norm(parameter.grad) for parameter in self.parameters if parameter.grad is not None]
        self.norms.append(math.hypot(*every))

    def _see_weights(self, optimizer: Optimizer, args: object, kwargs: object) -> None:
        step = len(self.rates)
        if any(name.endswith(f"_step{step}") for name in self.vectors.names):
            weights = self._weights()
            updates = [weight - first for weight, first in zip(weights, self.first, strict=True)]
            self.found[f"update_norms_step{step}"] = _norms(updates)
            self.found[f"param_norms_step{step}"] = _norms(weights)
            self.found[f"probe_out_step{step}"] = self._probed()
        if step == self.vectors.config["steps"]:
            raise _AllStepsDone

    def _weights(self) -> list[Tensor]:
        state = self.lifter.state_dict()
        return [state[name].clone() for name in self.names]

    def _probed(self) -> Tensor:
        training = self.lifter.training
        with torch.no_grad():
            self.lifter.eval()
            poses = self.probe()
        self.lifter.train(training)
        return poses

    def _of_all_steps(self) -> Outputs:
        backward = np.sqrt(self.backward_squares)
        poses = [batch.pose_3d for batch in self.batches if batch.pose_3d is not None]
        roots = [batch.trajectory for batch in self.batches if batch.trajectory is not None]
        weights = self.lifter.state_dict()
        final = [name for name in self.vectors.names if name.startswith("final.")]
        return {
            "x_2d": torch.cat([batch.pose_2d for batch in self.batches]),
            "target": torch.cat(poses),
            "root_before_zeroing": torch.cat(roots),
            "action": self._actions(),
            "batch_sizes": np.array([len(batch) for batch in self.batches]),
            "loss": np.array(self.losses),
            "lr": np.array(self.rates),
            "gradient_factor": np.array(self.norms) / backward,
            "grad_norm": np.array(self.norms),
        } | {name: weights[str(self.adapter.our_name(name.removeprefix("final.")))] for name in final}

    def _actions(self) -> np.ndarray:
        known = self.vectors.config.get("actions", [])
        words = [action for batch in self.batches for action in batch.actions]
        return np.array([known.index(word) if word in known else -1 for word in words])


def training_case(compute: Callable[[Vectors], Outputs]) -> Case:
    """The case of a recorded training, with the usual limits."""
    return Case(compute, LIMITS, update_limits=UPDATE_LIMITS)


def recorded_training(
    vectors: Vectors,
    adapter: CheckpointAdapter,
    lifter: Lifter,
    probe: Probe,
    data: tuple[Windows, np.ndarray] | None = None,
) -> Outputs:
    """The recorded steps, done by the suite's trainer.

    Args:
        vectors: of the file.
        adapter, lifter: of the method; ``lifter`` gets the weights that follow from the file's names.
        probe: what ``lifter`` predicts of the file's probe.
        data: windows, and their rows in the order of training; None where the file states its sequences.
    """
    lifter.load_state_dict(vectors.weights(adapter))
    windows, rows = data or _stated(vectors, lifter)
    of_epoch = int(vectors.array("batch_sizes")[: vectors.config["steps_per_epoch"]].sum())
    epochs = [rows[first : first + of_epoch] for first in range(0, len(rows), of_epoch)]
    recipe = fill_in(TrainingSpec(), published_recipe(vectors, lifter, len(epochs)))
    recorder = _Recorder(vectors, adapter, lifter, probe)

    def training() -> None:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "store" / "trainings" / "recorded"
            last = [CheckpointSelector("last", windows, place)]
            cpu = accelerator_for("cpu", "fp32")
            train(lifter, windows, last, recipe, place, cpu, "recorded", order=lambda epoch: epochs[epoch])

    return recorder.run(training)


def _stated(vectors: Vectors, lifter: Lifter) -> tuple[Windows, np.ndarray]:
    """The windows of the sequences that the file states, and their rows in the order of training."""
    windows = training_windows(sequences(vectors, lifter.skeleton.root), lifter, flip=True)
    return windows, rows_of(windows, vectors.array("windows"))


def published_recipe(vectors: Vectors, lifter: Lifter, epochs: int) -> Recipe:
    """The method's published recipe, with the numbers that the file states."""
    config, stated = vectors.config, vectors.config["optimizer"]
    plain = Recipe(
        epochs=config.get("epochs", epochs),
        batch_frames=int(vectors.array("batch_sizes").max()) * lifter.train_frames,
        learning_rate=stated["lr"],
        decay=stated["lr_decay"],
        weight_decay=stated["weight_decay"],
    )
    return named_recipe(plain, type(lifter), "published")


def sequences(vectors: Vectors, root: int) -> list[Sequence]:
    """The made-up data set; the row of the root holds its path in camera space."""
    ends = np.cumsum(vectors.array("sequence_lengths"))[:-1]
    all_2d, all_3d = (np.split(vectors.array(f"sequences_{of}"), ends) for of in ("2d", "3d"))
    return [
        sequence_of(pose_2d, pose_3d, root, f"{_action(vectors, number)} {number}")
        for number, (pose_2d, pose_3d) in enumerate(zip(all_2d, all_3d, strict=True))
    ]


def sequence_of(pose_2d: np.ndarray, pose_3d: np.ndarray, root: int, action: str) -> Sequence:
    """A sequence of poses whose row of the root holds its path in camera space."""
    relative = pose_3d.copy()
    relative[:, root] = 0
    camera = np.array([2, 2, 0, 0, 0, 0, 0, 0, 0], dtype=np.float32)
    return Sequence("S1", action, "camera", 50.0, pose_2d, relative, pose_3d[:, root], camera, 1000, 1000)


def _action(vectors: Vectors, sequence: int) -> str:
    """The action word of a sequence, which the file states for every window."""
    if "action" not in vectors:
        return "Walking"
    window = np.flatnonzero(vectors.array("windows")[:, 0] == sequence)[0]
    return str(vectors.config["actions"][vectors.array("action")[window]])


def rows_of(windows: Windows, wanted: np.ndarray) -> np.ndarray:
    """Rows of the table of windows, for windows ``[n, 4]`` in the order of training."""
    row_of = {tuple(window): row for row, window in enumerate(windows.table.tolist())}
    return np.array([row_of[tuple(window)] for window in wanted.tolist()])


def _norms(tensors: list[Tensor]) -> np.ndarray:
    return np.array([_norm(tensor) for tensor in tensors])


def _norm(tensor: Tensor) -> float:
    return torch.linalg.vector_norm(tensor, dtype=torch.float64).item()


class RecordedDraws(Denoiser):
    """A denoiser whose timesteps and noise are those of a file, in its order."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.drawn = 0
        self.recorded_times, self.recorded_noise = torch.zeros(0), torch.zeros(0)

    def draw(self, pose_3d: Tensor) -> tuple[Tensor, Tensor]:
        some = slice(self.drawn, self.drawn + len(pose_3d))
        self.drawn = some.stop
        return self.recorded_times[some], self.recorded_noise[some]
