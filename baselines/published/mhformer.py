"""MHFormer: its published names and what their shapes tell."""

from __future__ import annotations

from typing import Any

from baselines.mhformer import STREAMS, MHFormer
from models.checkpoints.adapter import CheckpointAdapter, State, count_blocks

_MERGING = "Transformer_hypothesis."
_PARTS = {1: "query", 2: "key", 3: "value"}
RENAMES = {
    **{f"norm_{n + 1}.": f"motion_norms.{n}." for n in range(STREAMS)},
    **{f"Transformer_encoder_{n + 1}.pos_embed": f"encoders.{n}.table" for n in range(STREAMS)},
    **{f"Transformer_encoder_{n + 1}.": f"encoders.{n}." for n in range(STREAMS)},
    **{f"embedding_{n + 1}.": f"embeddings.{n}." for n in range(STREAMS)},
    **{f"{_MERGING}pos_embed_{n + 1}": f"frame_tables.{n}" for n in range(STREAMS)},
    **{f"{_MERGING}SHR_blocks.*.norm1_{n + 1}.": f"refinements.*.norms.{n}." for n in range(STREAMS)},
    **{f"{_MERGING}SHR_blocks.*.attn_{n + 1}.": f"refinements.*.attentions.{n}." for n in range(STREAMS)},
    f"{_MERGING}SHR_blocks.*.norm2.": "refinements.*.mixing.norm.",
    f"{_MERGING}SHR_blocks.*.mlp.": "refinements.*.mixing.mlp.",
    **{
        f"{_MERGING}CHI_blocks.0.norm3_{n + 1}{number}.": f"interaction.attentions.{n}.{part}_norm."
        for n in range(STREAMS)
        for number, part in _PARTS.items()
    },
    **{
        f"{_MERGING}CHI_blocks.0.attn_{n + 1}.linear_{part[0]}.": f"interaction.attentions.{n}.{part}."
        for n in range(STREAMS)
        for part in _PARTS.values()
    },
    **{f"{_MERGING}CHI_blocks.0.attn_{n + 1}.": f"interaction.attentions.{n}." for n in range(STREAMS)},
    f"{_MERGING}CHI_blocks.0.norm2.": "interaction.mixing.norm.",
    f"{_MERGING}CHI_blocks.0.mlp.": "interaction.mixing.mlp.",
    f"{_MERGING}norm.": "norm.",
    "regression.": "head.",
}


def sizes(state: State) -> dict[str, Any]:
    """Size of the network."""
    return {
        "length": state["encoders.0.table"].shape[2],
        "channels": state["frame_tables.0"].shape[2],
        "hidden": len(state["interaction.mixing.mlp.fc1.weight"]),
        "generator_layers": count_blocks(state, "encoders.0.blocks."),
        "layers": count_blocks(state, "refinements.") + 1,
    }


ADAPTER = CheckpointAdapter(method="mhformer", lifter=MHFormer, renames=RENAMES, sizes=sizes)
