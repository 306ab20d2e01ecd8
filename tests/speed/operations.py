"""What trainings and evaluations of the ``paper`` size need on Human3.6M: `python -m tests.speed.operations`.

Prints the table of docs/gpu.md. Operations are counted on PyTorch's device ``meta``, without a GPU; hours are a
forecast from them, for a GPU that sustains ``SUSTAINED`` operations a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from bench.config.registry import METHODS
from bench.measure.counts import count_flops
from models.lifter import Batch, Lifter, Recipe, Sampling
from models.skeleton import HUMAN36M

TRAINING_FRAMES, TEST_FRAMES = 1_559_752, 543_344
"""Of the complete set, over four cameras; a tenth of the first is kept for validation, which is left out here."""

SAMPLING = Sampling(hypotheses=10, steps=5)
"""As the table of methods evaluates; with flip."""

SUSTAINED = 20e12

BYTES = 4 * 4
"""Of each parameter in training: itself, its gradient and two averages of Adam, in fp32."""

LEFT_OUT = ("mean_pose", "nearest_pose", "actionprompt_like", "ktpformer_diffusion")
"""Predictors that learn nothing, and own readings that the main table does not have at this size."""

HEAD = """\
| method | training | hours | evaluation | hours | weights and Adam |
|---|---|---|---|---|---|"""


def rows() -> Iterator[str]:
    """The lines of the table: operations in units of 10¹⁵, hours, and megabytes."""
    yield HEAD
    for name in METHODS.names():
        if name not in LEFT_OUT:
            yield row(name)


def row(name: str) -> str:
    """The line of one method, with the training that it begins from."""
    kind = METHODS.load(name)
    preset = kind.presets["paper"]
    # Without CLIP's weights a small encoder takes its place: text is 2 % of a step (docs/performance.md).
    config = replace(preset.config, text="tiny") if hasattr(preset.config, "text") else preset.config
    lifter = kind(config)
    first = kind.first_stage(config)
    training = training_operations(lifter, replace(preset.recipe, **(kind.published or {})))
    if first is not None:
        recipe = first.recipe or first.lifter.presets["paper"].recipe
        training += training_operations(first.lifter(first.config), recipe, "cpu")  # one of them reads values
    trained = sum(parameter.numel() for parameter in lifter.parameters() if parameter.requires_grad)
    evaluation = evaluation_operations(lifter)
    cells = [f"{training / 1e15:,.0f}", _hours(training), f"{evaluation / 1e15:,.0f}", _hours(evaluation)]
    return f"| {kind.title} | {' | '.join(cells)} | {trained * BYTES / 1e6:,.0f} MB |"


def training_operations(lifter: Lifter, recipe: Recipe, device: str = "meta") -> float:
    """Of all epochs: forward and backward, every frame once in each, mirrored too where both are trained on."""
    lifter = lifter.to(device).train()

    def step() -> None:
        lifter.training_loss(batch_of(lifter, 2, lifter.train_frames).to(device)).backward()

    windows = TRAINING_FRAMES / (lifter.train_stride or lifter.train_frames)
    return count_flops(step) / 2 * windows * recipe.epochs * (2 if recipe.mirrored == "both" else 1)


def evaluation_operations(lifter: Lifter) -> float:
    """Of the complete test set."""
    lifter = lifter.to("meta").eval()
    seen = batch_of(lifter, 1, lifter.frames).to("meta")
    keys = torch.zeros(1, dtype=torch.int64)  # are read
    hidden = replace(seen, window_keys=keys, pose_3d=None, trajectory=None, camera=None)
    with torch.inference_mode():
        return count_flops(lambda: lifter.predict(hidden, SAMPLING)) * TEST_FRAMES / lifter.frames


def batch_of(lifter: Lifter, windows: int, frames: int) -> Batch:
    """Windows without values."""
    left, right = lifter.context
    seen, further, joints = left + frames + right, lifter.random_frames, len(HUMAN36M.joints)

    def empty(*shape: int) -> torch.Tensor:
        return torch.zeros(windows, *shape)

    return Batch(
        pose_2d=empty(seen, joints, 2),
        actions=("Walking",) * windows,
        window_keys=torch.arange(windows),
        pose_3d=empty(frames, joints, 3),
        trajectory=empty(frames, 3),
        camera=empty(9),
        confidence=empty(seen, joints),
        random_2d=empty(further, joints, 2) if further else None,
        random_3d=empty(further, joints, 3) if further else None,
    )


def _hours(operations: float) -> str:
    return f"{operations / SUSTAINED / 3600:,.1f}"


if __name__ == "__main__":
    for line in rows():
        print(line, flush=True)
