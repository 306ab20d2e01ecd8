"""Golden cases of MotionAGFormer."""

from __future__ import annotations

from baselines.motionagformer import MotionAGFormer, MotionAGFormerConfig, similar_frames
from baselines.published.motionagformer import ADAPTER
from models.inference import flip_average
from models.losses import sequence_loss
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


CASES = {"MotionAGFormer": Case(motionagformer, LIMITS)}
