"""TCPFormer: its published names and what their shapes tell."""

from __future__ import annotations

from typing import Any

from baselines.published.motionbert import REFUSAL
from baselines.tcpformer import PARTS, TCPFormer
from models.checkpoints.adapter import CheckpointAdapter, State, count_blocks

MEMORY, EXCHANGE = "temporal_layers.*.cross_temporal.", "stages.*.exchange."
UNITS = {
    "to_proxy.": ("layer_scale_1", "norm_center.", "center_full.", "layer_scale_2", "norm_1.", "mlp_1."),
    "from_proxy.": ("layer_scale_3", "norm_full.", "full_center.", "layer_scale_4", "norm_2.", "mlp_2."),
    "own.": ("layer_scale_7", "norm_sa_self.", "map_sa_self.", "layer_scale_8", "norm_mlp_self.", "mlp_sa_self."),
    "summed.": ("layer_scale_5", "norm_sa_1.", "map_sum.", "layer_scale_6", "norm_sa_2.", "mlp_sa."),
}
"""The parts of our units under their published names, in the order of ``UNIT``."""
UNIT = ("layer_scale_1", "norm1.", "mixer.", "layer_scale_2", "norm2.", "mlp.")

RENAMES = {
    "pos_embed": "joint_table",
    "center_pos_embed": "proxy_table",
    "center_pose": "proxy",
    "joints_embed.": "embedding.",
    # the second stream's temporal unit is called graph_spatial, and its spatial one graph_temporal
    "layers.*.att_spatial.": "stages.*.streams.spatial_first.spatial.",
    "layers.*.att_temporal.": "stages.*.streams.spatial_first.temporal.",
    "layers.*.graph_spatial.": "stages.*.streams.temporal_first.temporal.",
    "layers.*.graph_temporal.": "stages.*.streams.temporal_first.spatial.",
    "layers.*.fusion.": "stages.*.streams.fusion.",
    "temporal_layers.*.local_attention_list.*.": "stages.*.parts.*.mixer.",
    "temporal_layers.*.loacl_mlps.*.": "stages.*.parts.*.mlp.",
    **{
        f"temporal_layers.*.local_norms.{PARTS * (norm - 1) + part}.": f"stages.*.parts.{part}.norm{norm}."
        for norm in (1, 2)
        for part in range(PARTS)
    },
    f"{MEMORY}att_weight": f"{EXCHANGE}summed.mixer.own_weight",
    **{
        MEMORY + published: EXCHANGE + unit + ours
        for unit, names in UNITS.items()
        for published, ours in zip(names, UNIT, strict=True)
    },
    "norm.": "norm.",
    "rep_logit.fc.": "represent.",
    "head.": "head.",
}


def sizes(state: State) -> dict[str, Any]:
    """Size of the network; shapes do not tell the number of heads."""
    poses, _, channels = state["proxy"].shape
    return {
        "frames": PARTS * poses,
        "channels": channels,
        "depth": count_blocks(state, "stages."),
        "mlp_ratio": len(state["stages.0.parts.0.mlp.fc1.weight"]) / channels,
        "representation": len(state["represent.weight"]),
    }


ADAPTER = CheckpointAdapter(method="tcpformer", lifter=TCPFormer, renames=RENAMES, sizes=sizes, refusal=REFUSAL)
