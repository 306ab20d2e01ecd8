"""Golden cases of MixSTE; D3DP and FinePOSE share its trunk."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines.mixste import MixSTE, mixste_loss
from baselines.published.mixste import ADAPTER
from models.layers.transformer import TrunkConfig
from models.losses import mean_joint_distance, temporal_consistency, velocity
from tests.parity.training import recorded_training, training_case
from tests.parity.vectors import GRADIENTS, Case, Limit, Limits, Outputs, Vectors, first_output, loss_and_gradients

LIMITS: Limits = (GRADIENTS, (r"out_.*", Limit(1e-6)), (r".*", Limit(1e-5)))


def mixste(vectors: Vectors) -> Outputs:
    """The lifter, its tokens after the first pair of blocks, and gradients of the mean joint distance."""
    lifter = MixSTE(TrunkConfig(**trunk_size(vectors)))
    lifter.load_state_dict(vectors.weights(ADAPTER))
    lifter.eval()
    seen: Outputs = {}
    first_output(lifter.trunk.spatial_norm, seen, "after_ste0")
    first_output(lifter.trunk.temporal_norm, seen, "after_tte0")
    x = vectors["x"]
    out = lifter.lift_windows(x)
    outputs = {name: joint_rows(tokens, len(x), lifter.frames) for name, tokens in seen.items()} | {"out": out}
    if "target" in vectors:
        outputs |= loss_and_gradients(vectors, ADAPTER, lifter, mean_joint_distance(out, vectors["target"]))
    return outputs


def trunk_size(vectors: Vectors) -> dict[str, Any]:
    """Fields of a ``TrunkConfig``, as the file states them."""
    config = vectors.config
    return {
        "frames": config["num_frame"],
        "channels": config["embed_dim"],
        "depth": config["depth"],
        "heads": config["num_heads"],
        "mlp_ratio": config.get("mlp_ratio", 2.0),
    }


def joint_rows(tokens: Tensor, windows: int, frames: int) -> Tensor:
    """Tokens ``[B, F, J, C]``, or of that order, to the original's rows ``[B * J, F, C]``."""
    return tokens.reshape(windows, frames, -1, tokens.shape[-1]).transpose(1, 2).flatten(0, 1)


def losses(vectors: Vectors) -> Outputs:
    """The loss with its parts and gradient, and the mean joint distance with and without sample weights."""
    target, weights = vectors["target"], vectors["joint_weights"]
    pred = vectors["pred"].requires_grad_()
    total = mixste_loss(pred, target, weights)
    (grad,) = torch.autograd.grad(total, pred)
    first = mean_joint_distance(pred[:, :1], target[:, :1], vectors["sample_weights"][:, None, None])
    return {
        "out_weighted_position": mean_joint_distance(pred, target, weights),
        "out_temporal_consistency": temporal_consistency(pred, weights),
        "out_velocity": velocity(pred, target),
        "out_total": total,
        "out_grad": grad,
        "out_grad_scaled_by_loss": grad * total,
        "out_mpjpe": mean_joint_distance(pred, target),
        "out_sample_weighted_mpjpe_first_frame": first,
    }


def training(vectors: Vectors) -> Outputs:
    """The recorded optimiser steps."""
    lifter = MixSTE(TrunkConfig(**trunk_size(vectors), drop_path=0))
    return recorded_training(vectors, ADAPTER, lifter, lambda: lifter.lift_windows(vectors["probe_2d"]))


CASES = {
    "MixSTE": Case(mixste, LIMITS),
    "training losses": Case(losses, LIMITS),
    "MixSTE training": training_case(training),
}
