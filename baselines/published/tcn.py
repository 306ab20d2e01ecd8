"""VideoPose3D's published names, sizes and golden vectors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines.published.golden import GRADIENTS, Limits, Outputs, Vectors
from baselines.tcn import TCN, TCNConfig, TemporalConvolutions
from models.checkpoints.importer import count
from models.losses import mean_joint_distance

LIFTER = TCN
RENAMES = {
    "expand_conv.": "network.expand_conv.",
    "expand_bn.": "network.expand_norm.",
    "layers_conv.": "network.convs.",
    "layers_bn.": "network.norms.",
    "shrink.": "network.shrink.",
}
LIMITS: Limits = (GRADIENTS, (r".*", (1e-5, 0)))


def sizes(state: dict[str, Tensor]) -> dict[str, Any]:
    """Widths and channels."""
    wide = [state[f"network.convs.{2 * block}.weight"] for block in range(count(state, "network.convs.") // 2)]
    first = state["network.expand_conv.weight"]
    return {"channels": len(first), "filter_widths": tuple(layer.shape[2] for layer in (first, *wide))}


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
        outputs["train_grad_norms"] = vectors.grad_norms("tcn", network, "network.")
        outputs["train_running_mean_expand_bn"] = network.get_buffer("expand_norm.running_mean")
        outputs["train_running_var_expand_bn"] = network.get_buffer("expand_norm.running_var")
    return outputs


def _convolutions(vectors: Vectors, causal: bool) -> TemporalConvolutions:
    config = vectors.config
    widths = tuple(config["filter_widths"])
    size = TCNConfig(filter_widths=widths, channels=config["channels"], dropout=0, causal=causal)
    network = TemporalConvolutions(size, config["joints_in"], config["joints_out"])
    network.load_state_dict(vectors.weights("tcn", "network."))
    return network.eval()


GOLDEN = {"TCN": tcn}
