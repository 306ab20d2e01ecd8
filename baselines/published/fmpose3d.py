"""FMPose3D: its published names and what their shapes tell."""

from __future__ import annotations

from typing import Any

from baselines.fmpose3d import FMPose3D, graphs
from models.checkpoints.adapter import CheckpointAdapter, State, count_blocks
from models.skeleton import HUMAN36M

RENAMES = {
    "time_embed.B": "network.frequencies",
    "time_embed.proj.": "network.time.",
    "encoder.": "network.encoder.",
    "FMPose3D.blocks.": "network.blocks.",
    "FMPose3D.norm_mu.": "network.norm.",
    "pred_mu.": "network.head.",
}
UNUSED = ("FMPose3D.blocks.*.gcn1.adj",)
"""A copy of the graphs in every block."""


def sizes(state: State) -> dict[str, Any]:
    """Size of the velocity network; shapes do not tell how many heads its attentions have."""
    return {
        "channels": len(state["network.norm.weight"]),
        "layers": count_blocks(state, "network.blocks."),
        "hidden": len(state["network.blocks.0.mlp.fc1.weight"]),
    }


def fixed() -> State:
    """The graphs, which a checkpoint carries."""
    return {"A": graphs(HUMAN36M).double()}


ADAPTER = CheckpointAdapter(
    method="fmpose3d", lifter=FMPose3D, renames=RENAMES, sizes=sizes, unused=UNUSED, fixed=fixed
)
