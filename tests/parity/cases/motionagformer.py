"""Golden cases of MotionAGFormer."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from baselines.motionagformer import MotionAGFormer, MotionAGFormerConfig, similar_frames
from baselines.published.motionagformer import ADAPTER
from bench.data.sequence import Sequence
from bench.data.windows import training_windows
from models.inference import flip_average
from models.losses import sequence_loss
from models.skeleton import HUMAN36M
from tests.parity.training import recorded_training, rows_of, training_case
from tests.parity.vectors import (
    GRADIENTS,
    Case,
    Limit,
    Limits,
    Outputs,
    Vectors,
    first_input,
    first_output,
    loss_and_gradients,
)

LIMITS: Limits = (GRADIENTS, (r"neighbours0", Limit(0)), (r".*", Limit(5e-6)))
SIZES = {
    "frames": "num_frame", "channels": "dim_feat", "depth": "layers", "heads": "num_heads",
    "mlp_ratio": "mlp_ratio", "representation": "dim_rep",
}  # fmt: skip
"""Our option → the published one, for TCPFormer as well."""


def motionagformer(vectors: Vectors) -> Outputs:
    """The network in evaluation, inside and out, and one pass of training with batch statistics."""
    lifter, seen = _lifter(vectors), Outputs()
    inside = {
        "after_att_spatial0": "stages.0.attention.spatial",
        "after_att_temporal0": "stages.0.attention.temporal",
        "graph_spatial_mixer0": "stages.0.graph.spatial.mixer",
        "after_graph_spatial0": "stages.0.graph.spatial",
        "graph_temporal_mixer0": "stages.0.graph.temporal.mixer",
        "after_graph_temporal0": "stages.0.graph.temporal",
        "after_layer0": "stages.0",
        "after_norm": "norm",
        "representation": "represent",
    }
    for name, module in inside.items():
        first_output(lifter.get_submodule(module), seen, name)
    mixer = lifter.get_submodule("stages.0.graph.temporal.mixer")
    first_input(mixer, seen, "mixed")
    out = lifter.lift_windows(vectors["x"])
    links = similar_frames(seen.pop("mixed"), vectors.config["neighbours"])
    frames, joints = out.shape[1:3]
    outputs = {
        name: features.reshape(-1, frames, joints, features.shape[-1])[:1] for name, features in seen.items()
    }
    outputs["representation"] = outputs["representation"].tanh()
    outputs["neighbours0"] = links.flatten(0, 1)  # [B, J, F, F] → [B·J, F, F]
    outputs["out"] = out
    outputs["out_flip_averaged"] = flip_average(lifter.lift_windows, vectors["x"], lifter.skeleton, flip=True)
    loss = sequence_loss(out, vectors["target"], lifter.config.scaled, lifter.config.velocity)
    return outputs | loss_and_gradients(vectors, ADAPTER, lifter, loss) | _trained(vectors)


def _trained(vectors: Vectors) -> Outputs:
    lifter = _lifter(vectors).train()
    out = lifter.lift_windows(vectors["x"])
    loss = sequence_loss(out, vectors["target"], lifter.config.scaled, lifter.config.velocity)
    norm = lifter.get_submodule("stages.0.graph.temporal.mixer.batch_norm")
    stepped = loss_and_gradients(vectors, ADAPTER, lifter, loss) | {"out": out}
    stepped |= {f"running_{name}_graph_temporal0": getattr(norm, f"running_{name}") for name in ("mean", "var")}
    return {f"train_{name}": value for name, value in stepped.items()}


def _lifter(vectors: Vectors) -> MotionAGFormer:
    config = {ours: vectors.config[theirs] for ours, theirs in SIZES.items()}
    lifter = MotionAGFormer(MotionAGFormerConfig(**config, neighbours=vectors.config["neighbours"]))
    lifter.load_state_dict(vectors.weights(ADAPTER))
    return lifter.eval()


def training(vectors: Vectors) -> Outputs:
    """The recorded optimiser steps; every clip of the file is a sequence of its own here, and is used once."""
    lifter = _lifter(vectors)
    mirrored = vectors.array("mirrored").astype(bool)
    seen, target = (_plain(vectors[name], mirrored) for name in ("x", "target"))
    clips = [_clip(number, *arrays) for number, arrays in enumerate(zip(seen, target, strict=True))]
    first = np.zeros_like(mirrored, dtype=int)
    wanted = np.stack([np.arange(len(clips)), first, first + lifter.frames, mirrored], axis=1)
    windows = training_windows(clips, lifter, flip=True)
    data = windows, rows_of(windows, wanted)
    probe = vectors["probe"]
    outputs = recorded_training(vectors, ADAPTER, lifter, lambda: lifter.lift_windows(probe), data)
    del outputs["target"]  # of the method: without the root's path, which the file's still has
    return outputs


def _plain(poses: Tensor, mirrored: np.ndarray) -> np.ndarray:
    """Clips ``[n, F, J, 3]`` without the mirroring of the recorded training."""
    poses[mirrored] = HUMAN36M.mirror(poses[mirrored])
    return poses.numpy()


def _clip(number: int, seen: np.ndarray, target: np.ndarray) -> Sequence:
    """A sequence of 2D poses with confidence and of 3D poses with the root's path, both ``[F, J, 3]``."""
    root = target[:, HUMAN36M.root]
    camera = np.array([2, 2, 0, 0, 0, 0, 0, 0, 0], dtype=np.float32)
    relative = target - root[:, None]
    return Sequence(
        "S1", f"Walking {number}", "camera", 50.0, seen[..., :2], relative, root, camera, 1000, 1000, seen[..., 2]
    )


CASES = {"MotionAGFormer": Case(motionagformer, LIMITS), "MotionAGFormer training": training_case(training)}
