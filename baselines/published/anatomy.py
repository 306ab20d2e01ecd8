"""Anatomy3D: its published names and what their shapes tell."""

from __future__ import annotations

from typing import Any

from baselines.anatomy import Anatomy
from baselines.published import tcn
from models.checkpoints.adapter import CheckpointAdapter, State

RENAMES = {
    "expand_": "network.directions.expand_",
    "layers_conv.": "network.directions.convs_1.",
    "layers_bn.": "network.directions.norms_1.",
    "layers_conv1.": "network.directions.convs_2.",
    "layers_bn1.": "network.directions.norms_2.",
    "shrink_direct_": "network.directions.shrink_",
    "layers_convbone.": "network.lengths.linears.",
    "layers_bnbone.": "network.lengths.norms.",
    "boneatt.": "network.lengths.attention.",
    "lengthlinear.": "network.pose.lengthlinear.",
    "directlinear.": "network.pose.directlinear.",
    "shrink.": "network.pose.shrink.",
    "lengthlinear_1.": "network.shifts_1.lengthlinear.",
    "directlinear_1.": "network.shifts_1.directlinear.",
    "shrink_js_1.": "network.shifts_1.shrink.",
    "lengthlinear_2.": "network.shifts_2.lengthlinear.",
    "directlinear_2.": "network.shifts_2.directlinear.",
    "shrink_js_2.": "network.shifts_2.shrink.",
}


def sizes(state: State) -> dict[str, Any]:
    """Widths and channels."""
    return tcn.sizes(state, "network.directions.", "convs_1.")


ADAPTER = CheckpointAdapter(method="anatomy", lifter=Anatomy, renames=RENAMES, sizes=sizes)
