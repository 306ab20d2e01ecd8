"""P-STMO: its published names and what their shapes tell."""

from __future__ import annotations

from typing import Any

from baselines.pstmo import PSTMO
from models.checkpoints.adapter import CheckpointAdapter, State, count_blocks

RENAMES = {
    "encoder.fc_1.": "trunk.encoder.expand.",
    "encoder.bn_1.": "trunk.encoder.expand_norm.",
    "encoder.layers.0.w1.": "trunk.encoder.convs.0.",
    "encoder.layers.0.batch_norm1.": "trunk.encoder.norms.0.",
    "encoder.layers.0.w2.": "trunk.encoder.convs.1.",
    "encoder.layers.0.batch_norm2.": "trunk.encoder.norms.1.",
    "encoder.fc_2.": "trunk.encoder.shrink.",
    "Transformer.pos_embedding": "trunk.table",
    "Transformer.model.layers.": "trunk.layers.",
    "Transformer_reduce.model.pos_embedding_1": "strided.tables.0",
    "Transformer_reduce.model.pos_embedding_2": "strided.tables.1",
    "Transformer_reduce.model.pos_embedding_3": "strided.tables.2",
    "Transformer_reduce.model.layers.": "strided.layers.",
    "fcn_1.": "sequence_head.",
    "fcn.": "single_head.",
    "spatial_mask_token": "joint_token",
    "mask_token": "frame_token",
    "encoder_LN.": "norm.",
    "encoder_to_decoder.": "narrow.",
    "dec_pos_embedding": "decoder_table",
    "Transformer_dec.model.layers.": "decoder.",
    "fcn_dec.": "decoder_head.",
    "post_refine.": "score.",
}
"""``score`` is the refinement, which no method here has; its golden file is checked all the same."""

UNUSED = ("Transformer*.model.norm.",)
"""Final norms that the original builds and never applies."""

STRIDES = {9: (1, 3, 3), 27: (3, 3, 3), 81: (3, 3, 3, 3), 243: (3, 3, 3, 3, 3), 351: (3, 9, 13)}
"""Number of frames seen → published strides, which shapes do not tell."""


def sizes(state: State) -> dict[str, Any]:
    """Size of the fine-tuned network; shapes do not tell how many frames of the video lie between those seen."""
    _, seen, channels = state["trunk.table"].shape
    if seen not in STRIDES:
        raise KeyError(f"number of frames among {', '.join(map(str, STRIDES))}")
    return {
        "strides": STRIDES[seen],
        "channels": channels,
        "hidden": len(state["trunk.layers.0.feed_forward.w_1.weight"]),
        "layers": count_blocks(state, "trunk.layers."),
    }


ADAPTER = CheckpointAdapter(
    method="pstmo", lifter=PSTMO, renames=RENAMES, sizes=sizes, unused=UNUSED, untold=("every",)
)
