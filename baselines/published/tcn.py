"""VideoPose3D: its published names and what their shapes tell."""

from __future__ import annotations

from typing import Any

from baselines.tcn import TCN
from models.checkpoints.adapter import CheckpointAdapter, State, count_blocks

RENAMES = {
    "expand_conv.": "network.expand_conv.",
    "expand_bn.": "network.expand_norm.",
    "layers_conv.": "network.convs.",
    "layers_bn.": "network.norms.",
    "shrink.": "network.shrink.",
}


def sizes(state: State, network: str = "network.", blocks: str = "convs.") -> dict[str, Any]:
    """Widths and channels, from the convolutions of a network and its residual blocks."""
    convs, first = f"{network}{blocks}", state[f"{network}expand_conv.weight"]
    wide = [state[f"{convs}{2 * block}.weight"] for block in range(count_blocks(state, convs) // 2)]
    return {"channels": len(first), "filter_widths": tuple(layer.shape[2] for layer in (first, *wide))}


ADAPTER = CheckpointAdapter(method="tcn", lifter=TCN, renames=RENAMES, sizes=sizes)
