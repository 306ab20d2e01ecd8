"""Golden cases of MotionBERT."""

from __future__ import annotations

import torch

from baselines.motionbert import (
    MotionBERT,
    MotionBERTConfig,
    limb_angles,
    limb_lengths,
    limb_losses,
    motionbert_loss,
)
from baselines.published.motionbert import ADAPTER
from models.inference import flip_average
from models.losses import mean_joint_distance, scaled_joint_distance, velocity
from tests.parity.vectors import Case, Limit, Limits, Outputs, Vectors, first_output, loss_and_gradients

LIMITS: Limits = (
    (r"grad_norms", Limit(1e-7, 1e-4)),
    (r"grad_.*", Limit(2e-6)),
    (r"out_total", Limit(5e-6)),
    (r"out_flip_averaged", Limit(5e-6)),
    (r"loss|out_.*|limb_lengths|angles", Limit(1e-6)),
    (r".*", Limit(5e-6)),
)


def dstformer(vectors: Vectors) -> Outputs:
    """The network, inside and out, its training loss and gradients, and the mean over mirror images."""
    config = vectors.config
    size = {"frames": "maxlen", "channels": "dim_feat", "depth": "depth", "heads": "num_heads"}
    size |= {"mlp_ratio": "mlp_ratio", "representation": "dim_rep"}
    lifter = MotionBERT(MotionBERTConfig(**{ours: config[theirs] for ours, theirs in size.items()}))
    lifter.load_state_dict(vectors.weights(ADAPTER))
    lifter.eval()
    seen: Outputs = {}
    first = lifter.stages[0]
    for module, name in (
        (first.get_submodule("spatial_first"), "block_st0"),
        (first.get_submodule("temporal_first"), "block_ts0"),
        (first.get_submodule("fusion"), "fuse_weights0"),
        (lifter.norm, "after_norm"),
        (lifter.represent, "representation"),
    ):
        first_output(module, seen, name)
    out = lifter.lift_windows(vectors["x"])
    loss = motionbert_loss(out, vectors["target"], lifter.config)
    return {
        "out": out,
        "block_st0": seen["block_st0"].flatten(0, 1),
        "block_ts0": seen["block_ts0"].flatten(0, 1),
        "fuse_weights0": seen["fuse_weights0"].flatten(0, 1).softmax(dim=-1),
        "after_norm": seen["after_norm"],
        "representation": seen["representation"].tanh(),
        "out_flip_averaged": flip_average(lifter.lift_windows, vectors["x"], lifter.skeleton, flip=True),
        **loss_and_gradients(vectors, ADAPTER, lifter, loss),
    }


def losses(vectors: Vectors) -> Outputs:
    """All losses of the published code, each with its gradient."""
    pred, target, confidence = vectors["pred"].requires_grad_(), vectors["target"], vectors["conf"][..., 0]
    limbs, pairs = vectors.config["limbs"], vectors.config["angle_pairs"]
    on_limbs = limb_losses(pred, target, limbs, pairs)
    computed = {
        "mpjpe": mean_joint_distance(pred, target),
        "n_mpjpe": scaled_joint_distance(pred, target),
        "velocity": velocity(pred, target),
        "limb_var": on_limbs["limb_variance"],
        "limb_gt": on_limbs["limb_length"],
        "angle": on_limbs["angle"],
        "angle_velocity": on_limbs["angle_velocity"],
        "weighted_2d": mean_joint_distance(pred[..., :2], target[..., :2], confidence),
        "total": motionbert_loss(pred, target, MotionBERTConfig()),
    }
    outputs = {"limb_lengths": limb_lengths(pred, limbs), "angles": limb_angles(pred, limbs, pairs)}
    for name, loss in computed.items():
        (grad,) = torch.autograd.grad(loss, pred, retain_graph=True)
        outputs |= {f"out_{name}": loss, f"grad_{name}": grad}
    return outputs


CASES = {"MotionBERT DSTformer": Case(dstformer, LIMITS), "MotionBERT training losses": Case(losses, LIMITS)}
