"""Golden cases of VideoPose3D."""

from __future__ import annotations

import torch

from baselines.published.tcn import ADAPTER
from baselines.tcn import TCN, TCNConfig, TemporalConvolutions
from models.losses import mean_joint_distance
from tests.parity.training import recorded_training, training_case
from tests.parity.vectors import GRADIENTS, Case, Limit, Limits, Outputs, Vectors

LIMITS: Limits = (GRADIENTS, (r".*", Limit(1e-5)))


def tcn(vectors: Vectors) -> Outputs:
    """Dilated and strided form, both also causal, and one training pass with batch statistics."""
    x = vectors["x"]
    first = x[:, : vectors.config["receptive_field"]]
    outputs: Outputs = {}
    for prefix, causal in (("", False), ("causal_", True)):
        network = _convolutions(vectors, causal)
        with torch.no_grad():
            outputs[f"{prefix}out_dilated"] = network.dilated(x)
            outputs[f"{prefix}out_1f"] = network.strided(first)
    if "train_target" in vectors:
        network = _convolutions(vectors, causal=False).train()
        out = network.dilated(x)
        loss = mean_joint_distance(out, vectors["train_target"])
        loss.backward()
        outputs |= {"train_out": out, "train_loss": loss}
        outputs["train_grad_norms"] = vectors.grad_norms(ADAPTER, network, "network.")
        outputs["train_running_mean_expand_bn"] = network.get_buffer("expand_norm.running_mean")
        outputs["train_running_var_expand_bn"] = network.get_buffer("expand_norm.running_var")
    return outputs


def _convolutions(vectors: Vectors, causal: bool) -> TemporalConvolutions:
    config = vectors.config
    widths = tuple(config["filter_widths"])
    size = TCNConfig(filter_widths=widths, channels=config["channels"], dropout=0, causal=causal)
    network = TemporalConvolutions(size, config["joints_in"], config["joints_out"])
    network.load_state_dict(vectors.weights(ADAPTER, "network."))
    return network.eval()


def training(vectors: Vectors) -> Outputs:
    """The recorded optimiser steps."""
    config = vectors.config
    size = TCNConfig(filter_widths=tuple(config["filter_widths"]), channels=config["channels"], dropout=0)
    lifter = TCN(size)
    return recorded_training(vectors, ADAPTER, lifter, lambda: lifter.network.strided(vectors["probe_2d"]))


CASES = {"TCN": Case(tcn, LIMITS), "TCN training": training_case(training)}
