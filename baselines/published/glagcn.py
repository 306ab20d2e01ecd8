"""GLA-GCN: its published names and what their shapes tell."""

from __future__ import annotations

from typing import Any

from baselines.glagcn import GLAGCN
from models.checkpoints.adapter import CheckpointAdapter, State, count_blocks

RENAMES = {
    "data_bn.": "network.data_bn.",
    "expand_gcn.": "network.expand.",
    "layers_tcngcn.": "network.units.",
    "fc.": "network.fc.",
}


def sizes(state: State) -> dict[str, Any]:
    """Channels, and stages of width 3: shapes do not tell widths."""
    stages = count_blocks(state, "network.units.") // 2
    return {"channels": len(state["network.expand.tcn1.bn.weight"]), "filter_widths": (3,) * stages}


ADAPTER = CheckpointAdapter(method="glagcn", lifter=GLAGCN, renames=RENAMES, sizes=sizes)
