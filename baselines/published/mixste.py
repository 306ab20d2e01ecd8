"""MixSTE: its published names and what their shapes tell; D3DP and FinePOSE share its trunk."""

from __future__ import annotations

from typing import Any

from baselines.mixste import MixSTE
from models.checkpoints.adapter import CheckpointAdapter, State, count_blocks

RENAMES = {
    "Spatial_pos_embed": "trunk.joint_table",
    "Temporal_pos_embed": "trunk.frame_table",
    "Spatial_patch_to_embedding.": "trunk.embedding.",
    "STEblocks.": "trunk.spatial_blocks.",
    "TTEblocks.": "trunk.temporal_blocks.",
    "Spatial_norm.": "trunk.spatial_norm.",
    "Temporal_norm.": "trunk.temporal_norm.",
    "head.": "trunk.head.",
}


def sizes(state: State) -> dict[str, Any]:
    """Size of the trunk."""
    _, frames, channels = state["trunk.frame_table"].shape
    hidden = len(state["trunk.spatial_blocks.0.mlp.fc1.weight"])
    depth = count_blocks(state, "trunk.spatial_blocks.")
    return {"frames": frames, "channels": channels, "depth": depth, "mlp_ratio": hidden / channels}


ADAPTER = CheckpointAdapter(method="mixste", lifter=MixSTE, renames=RENAMES, sizes=sizes)
