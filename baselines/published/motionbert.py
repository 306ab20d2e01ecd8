"""MotionBERT: its published names and what their shapes tell."""

from __future__ import annotations

from typing import Any

from baselines.motionbert import MotionBERT
from models.checkpoints.adapter import CheckpointAdapter, State, count_blocks

RENAMES = {
    "temp_embed": "frame_table",
    "pos_embed": "joint_table",
    "joints_embed.": "embedding.",
    "blocks_st.*.*_s.": "stages.*.spatial_first.spatial.*.",
    "blocks_st.*.*_t.": "stages.*.spatial_first.temporal.*.",
    "blocks_ts.*.*_s.": "stages.*.temporal_first.spatial.*.",
    "blocks_ts.*.*_t.": "stages.*.temporal_first.temporal.*.",
    "ts_attn.*.": "stages.*.fusion.",
    "norm.": "norm.",
    "pre_logits.fc.": "represent.",
    "head.": "head.",
}

REFUSAL = (
    "published weights of this method predict in image units, from which only the true depth of the root makes "
    "metres, and a test has none: train the method here"
)
"""MotionAGFormer and TCPFormer are trained on the same data, in the same units."""


def sizes(state: State) -> dict[str, Any]:
    """Size of the network; shapes do not tell the number of heads."""
    _, frames, _, channels = state["frame_table"].shape
    return {
        "frames": frames,
        "channels": channels,
        "depth": count_blocks(state, "stages."),
        "mlp_ratio": len(state["stages.0.spatial_first.spatial.mlp.fc1.weight"]) / channels,
        "representation": len(state["represent.weight"]),
    }


ADAPTER = CheckpointAdapter(method="motionbert", lifter=MotionBERT, renames=RENAMES, sizes=sizes, refusal=REFUSAL)
