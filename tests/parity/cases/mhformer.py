"""Golden cases of MHFormer."""

from __future__ import annotations

from typing import Any

import torch

from baselines.mhformer import MHFormer, MHFormerConfig
from baselines.published.mhformer import ADAPTER
from models.losses import mean_joint_distance
from tests.parity.vectors import GRADIENTS, Case, Limit, Limits, Outputs, Vectors, first_output, loss_and_gradients

LIMITS: Limits = (GRADIENTS, (r".*", Limit(1e-5)))


def mhformer(vectors: Vectors) -> Outputs:
    """The network, inside and out, and where the file has them its loss and gradients."""
    config = vectors.config
    size = {"length": "frames", "channels": "channel", "hidden": "d_hid", "layers": "layers"}
    lifter = MHFormer(MHFormerConfig(frames=1, **{ours: config[theirs] for ours, theirs in size.items()}))
    lifter.load_state_dict(vectors.weights(ADAPTER))
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
        outputs |= loss_and_gradients(vectors, ADAPTER, lifter, loss)
    return outputs


CASES = {"MHFormer": Case(mhformer, LIMITS)}
