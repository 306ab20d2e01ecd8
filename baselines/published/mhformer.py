"""MHFormer's published names, sizes and golden vectors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines.mhformer import STREAMS, MHFormer, MHFormerConfig
from baselines.published.golden import GRADIENTS, Limits, Outputs, Vectors, first_output, loss_and_gradients
from models.checkpoints.importer import count
from models.losses import mean_joint_distance

LIFTER = MHFormer
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
LIMITS: Limits = (GRADIENTS, (r".*", (1e-5, 0)))


def sizes(state: dict[str, Tensor]) -> dict[str, Any]:
    """Size of the network."""
    return {
        "length": state["encoders.0.table"].shape[2],
        "channels": state["frame_tables.0"].shape[2],
        "hidden": len(state["interaction.mixing.mlp.fc1.weight"]),
        "generator_layers": count(state, "encoders.0.blocks."),
        "layers": count(state, "refinements.") + 1,
    }


def mhformer(vectors: Vectors) -> Outputs:
    """The network, inside and out, and where the file has them its loss and gradients."""
    config = vectors.config
    size = {"length": "frames", "channels": "channel", "hidden": "d_hid", "layers": "layers"}
    lifter = MHFormer(MHFormerConfig(frames=1, **{ours: config[theirs] for ours, theirs in size.items()}))
    lifter.load_state_dict(vectors.weights("mhformer"))
    lifter.eval()
    seen: dict[str, Any] = {}
    for number, embedding in enumerate(lifter.embeddings):
        first_output(embedding, seen, f"emb{number + 1}")
    first_output(lifter.refinements[0], seen, "after_shr0")
    first_output(lifter.interaction, seen, "after_chi")
    first_output(lifter.norm, seen, "after_hypothesis_norm")
    out = lifter.lift(vectors["x"])
    outputs = {"out": out, "after_hypothesis_norm": seen["after_hypothesis_norm"].squeeze(2)}
    outputs |= {name: torch.stack(seen[name], dim=1).squeeze(3) for name in ("after_shr0", "after_chi")}
    for number, hypothesis in enumerate(lifter.hypotheses(vectors["x"]), start=1):
        outputs |= {f"hyp{number}": hypothesis, f"emb{number}": seen[f"emb{number}"].transpose(1, 2)}
    if "target" in vectors:
        loss = mean_joint_distance(out, vectors["target"])
        outputs |= loss_and_gradients(vectors, "mhformer", lifter, loss)
    return outputs


GOLDEN = {"MHFormer": mhformer}
