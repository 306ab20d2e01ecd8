"""Golden cases of KTPFormer."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from baselines.ktpformer import KTPFormer
from baselines.mixste import mixste_loss
from baselines.published.ktpformer import ADAPTER
from models.layers.transformer import TrunkConfig
from tests.parity.cases.mixste import joint_rows, trunk_size
from tests.parity.training import recorded_training, training_case
from tests.parity.vectors import (
    GRADIENTS,
    Case,
    Limit,
    Limits,
    Outputs,
    Vectors,
    first_input,
    first_output,
    loss_and_gradients,
)

LIMITS: Limits = (GRADIENTS, (r".*", Limit(5e-6)))


def ktpformer(vectors: Vectors) -> Outputs:
    """Graphs, prior blocks, the network and its gradients, and one training pass with batch statistics."""
    lifter, x, seen = _lifter(vectors), vectors["x"], Outputs()
    trunk = lifter.trunk
    seen["after_kpa"] = trunk.embed(x) - trunk.joint_table
    first_output(trunk.spatial_blocks[0], seen, "after_kp_block")
    first_output(trunk.spatial_norm, seen, "after_kp_norm")
    first_input(trunk.temporal_blocks[0], seen, "after_tpa")
    first_output(trunk.temporal_blocks[0], seen, "after_tp_block")
    first_output(trunk.temporal_norm, seen, "after_tp_norm")
    out = lifter.lift_windows(x)
    seen["after_tpa"] = seen["after_tpa"] - trunk.frame_table[:, :, None]
    outputs = {name: _first_sample(tokens, lifter.frames, name) for name, tokens in seen.items()}
    outputs |= {"adjacency": trunk.spatial_prior.links, "adjacency_time": trunk.temporal_prior[0].links}
    outputs |= {"out": out, "out_flip_averaged": _averaged(lifter, x)}
    return outputs | loss_and_gradients(vectors, ADAPTER, lifter, _loss(lifter, vectors, out)) | _trained(vectors)


def _first_sample(tokens: Tensor, frames: int, name: str) -> Tensor:
    """Rows of the first window: its frames ``[F, J, C]`` of a spatial layer, its joints ``[J, F, C]`` else."""
    rows = joint_rows(tokens, tokens.numel() // (frames * 17 * tokens.shape[-1]), frames)[:17]  # [J, F, C]
    return rows.transpose(0, 1) if "_kp" in name else rows


def _averaged(lifter: KTPFormer, x: Tensor) -> Tensor:
    mirrored = lifter.lift_windows(lifter.skeleton.mirror(x))
    return (lifter.lift_windows(x) + lifter.skeleton.mirror(mirrored)) / 2


def _trained(vectors: Vectors) -> Outputs:
    lifter = _lifter(vectors).train()
    out = lifter.lift_windows(vectors["x"])
    stepped = loss_and_gradients(vectors, ADAPTER, lifter, _loss(lifter, vectors, out)) | {"out": out}
    for name, unit in (("kpa", lifter.trunk.spatial_prior), ("tpa_gconv2", lifter.trunk.temporal_prior[1])):
        stepped[f"running_mean_{name}_bn"] = unit.bn.running_mean
        stepped[f"running_var_{name}_bn"] = unit.bn.running_var
    return {f"train_{name}": value for name, value in stepped.items()}


def _loss(lifter: KTPFormer, vectors: Vectors, out: Tensor) -> Tensor:
    return mixste_loss(out, vectors["target"], lifter.get_buffer("joint_weights"))


def _lifter(vectors: Vectors) -> KTPFormer:
    size = trunk_size(vectors)
    lifter = KTPFormer(TrunkConfig(**size | {"depth": size["depth"] + 1, "drop_path": 0.0}))
    lifter.load_state_dict(vectors.weights(ADAPTER))
    return lifter.eval()


def training(vectors: Vectors) -> Outputs:
    """The recorded optimiser steps."""
    lifter = _lifter(vectors)
    return recorded_training(vectors, ADAPTER, lifter, lambda: lifter.lift_windows(vectors["probe_2d"]))


TRAINING = training_case(training)
STATISTICS: Limits = ((r"final\..*\.running_mean", Limit(2e-3)), (r"probe_out_step\d+", Limit(5e-3)))
"""A bias before a batch norm has gradient 0 in theory; rounding noise moves it, and with it the norm's means."""
IGNORED = ((r".*\.gconv\.bias", None),)

CASES = {
    "KTPFormer": Case(ktpformer, LIMITS),
    "KTPFormer training": replace(
        TRAINING,
        limits=(*STATISTICS, *TRAINING.limits),
        update_limits=(*IGNORED, *TRAINING.update_limits),
    ),
}
