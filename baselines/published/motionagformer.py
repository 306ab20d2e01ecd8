"""MotionAGFormer: its published names and what their shapes tell."""

from __future__ import annotations

from typing import Any

from baselines.motionagformer import MotionAGFormer
from baselines.published.motionbert import REFUSAL
from models.checkpoints.adapter import CheckpointAdapter, State, count_blocks

RENAMES = {
    "pos_embed": "joint_table",
    "joints_embed.": "embedding.",
    "layers.*.att_spatial.": "stages.*.attention.spatial.",
    "layers.*.att_temporal.": "stages.*.attention.temporal.",
    "layers.*.graph_spatial.": "stages.*.graph.spatial.",
    "layers.*.graph_temporal.": "stages.*.graph.temporal.",
    "layers.*.fusion.": "stages.*.fusion.",
    "norm.": "norm.",
    "rep_logit.fc.": "represent.",
    "head.": "head.",
}


def sizes(state: State) -> dict[str, Any]:
    """Size of the network; shapes tell neither the number of heads nor that of linked frames."""
    channels = len(state["norm.weight"])
    return {
        "frames": len(state["stages.0.graph.temporal.mixer.batch_norm.weight"]),
        "channels": channels,
        "depth": count_blocks(state, "stages."),
        "mlp_ratio": len(state["stages.0.attention.spatial.mlp.fc1.weight"]) / channels,
        "representation": len(state["represent.weight"]),
    }


ADAPTER = CheckpointAdapter(
    method="motionagformer", lifter=MotionAGFormer, renames=RENAMES, sizes=sizes, refusal=REFUSAL
)
