"""PoseFormerV2: its published names and what their shapes tell."""

from __future__ import annotations

from typing import Any

from baselines.poseformerv2 import PoseFormerV2
from models.checkpoints.adapter import CheckpointAdapter, State, count_blocks

RENAMES = {
    "Spatial_pos_embed": "joint_table",
    "Temporal_pos_embed_": "frequency_table",
    "Temporal_pos_embed": "frame_table",
    "Joint_embedding.": "joint_embedding.",
    "Freq_embedding.": "frequency_embedding.",
    "Spatial_blocks.": "spatial_blocks.",
    "Spatial_norm.": "spatial_norm.",
    "blocks.*.mlp1.": "mixed_blocks.*.mlp.",
    "blocks.*.mlp2.": "mixed_blocks.*.frequency_mlp.",
    "blocks.": "mixed_blocks.",
    "Temporal_norm.": "mixed_norm.",
    "weighted_mean.": "frequency_mean.",
    "weighted_mean_.": "frame_mean.",
    "head.": "head.",
}


def sizes(state: State) -> dict[str, Any]:
    """Size of the network without its window, which the weights do not depend on."""
    channels = len(state["joint_embedding.weight"])
    return {
        "kept": state["frame_table"].shape[1],
        "coefficients": state["frequency_table"].shape[1],
        "channels": channels,
        "depth": count_blocks(state, "spatial_blocks."),
        "mlp_ratio": len(state["spatial_blocks.0.mlp.fc1.weight"]) / channels,
    }


ADAPTER = CheckpointAdapter(
    method="poseformerv2", lifter=PoseFormerV2, renames=RENAMES, sizes=sizes, untold=("length",)
)
