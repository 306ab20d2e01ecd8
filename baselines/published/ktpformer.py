"""KTPFormer: its published names; what their shapes tell is MixSTE's."""

from __future__ import annotations

from baselines.ktpformer import KTPFormer
from baselines.published import mixste
from models.checkpoints.adapter import CheckpointAdapter

MOST_PAIRS = 64
"""More pairs of blocks than any published size has."""

PRIORS = {
    "kpattention.attn.Spatial_pos_embed": "trunk.joint_table",
    "tpattention.attn.Temporal_pos_embed": "trunk.frame_table",
    "kpattention.attn.kpa.gconv.": "trunk.spatial_prior.",
    "kpattention.attn.kpa.": "trunk.spatial_prior.",
    "tpattention.attn.tpa.gconv1.gconv.": "trunk.temporal_prior.0.",
    "tpattention.attn.tpa.gconv1.": "trunk.temporal_prior.0.",
    "tpattention.attn.tpa.gconv2.gconv.": "trunk.temporal_prior.1.",
    "tpattention.attn.tpa.gconv2.": "trunk.temporal_prior.1.",
    "kpattention.attn.norm1.": "trunk.spatial_blocks.0.norm1.",
    "tpattention.attn.norm1.": "trunk.temporal_blocks.0.norm1.",
    "kpattention.": "trunk.spatial_blocks.0.",
    "tpattention.": "trunk.temporal_blocks.0.",
    "Spatial_norm.": "trunk.spatial_norm.",
    "Temporal_norm.": "trunk.temporal_norm.",
    "head.": "trunk.head.",
}
RENAMES = PRIORS | {
    f"{theirs}.{pair}.": f"trunk.{ours}.{pair + 1}."
    for pair in range(MOST_PAIRS)
    for theirs, ours in (("STEblocks", "spatial_blocks"), ("TTEblocks", "temporal_blocks"))
}
"""The pair of prior blocks is the first of ours, so that the others' numbers are one higher."""

ADAPTER = CheckpointAdapter(method="ktpformer", lifter=KTPFormer, renames=RENAMES, sizes=mixste.sizes)
