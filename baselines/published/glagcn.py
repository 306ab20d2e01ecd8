"""GLA-GCN's published names, sizes and golden vectors."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from baselines.glagcn import GLAGCN, GLAGCNConfig, GraphNetwork
from baselines.published.golden import GRADIENTS, Limits, Outputs, Vectors, first_output, loss_and_gradients
from models.checkpoints.importer import count
from models.losses import mean_joint_distance
from models.skeleton import HUMAN36M

LIFTER = GLAGCN
RENAMES = {
    "data_bn.": "network.data_bn.",
    "expand_gcn.": "network.expand.",
    "layers_tcngcn.": "network.units.",
    "fc.": "network.fc.",
}
LIMITS: Limits = (GRADIENTS, (r".*", (5e-6, 0)))


def sizes(state: dict[str, Tensor]) -> dict[str, Any]:
    """Channels, and stages of width 3: shapes do not tell widths."""
    stages = count(state, "network.units.") // 2
    return {"channels": len(state["network.expand.tcn1.bn.weight"]), "filter_widths": (3,) * stages}


def glagcn(vectors: Vectors) -> Outputs:
    """The network with intermediate features and gradients, and one training pass with batch statistics."""
    network, x, seen = _network(vectors), vectors["x"], Outputs()
    for module, name in (
        (network.expand.gcn1, "after_expand_graph"),
        (network.expand, "after_expand"),
        (network.units[0], "after_layer0"),
        (network.units[1], "after_layer1"),
    ):
        first_output(module, seen, name)
    out = network(x)[:, None]
    outputs = {name: features.permute(0, 3, 2, 1) for name, features in seen.items()}
    outputs["after_input_bn"] = network.data_bn(x.flatten(2).transpose(1, 2)).unflatten(1, (-1, 2))
    outputs |= {"adjacency": network.expand.gcn1.get_buffer("graph"), "out": out}
    outputs["before_head"] = network.joint_features(x)
    outputs |= loss_and_gradients(vectors, "glagcn", network, _loss(vectors, out), "network.")
    return outputs | _trained(vectors)


def _trained(vectors: Vectors) -> Outputs:
    network = _network(vectors).train()
    out = network(vectors["x"])[:, None]
    stepped = loss_and_gradients(vectors, "glagcn", network, _loss(vectors, out), "network.")
    norm = network.data_bn
    statistics = {"running_mean_data_bn": norm.running_mean, "running_var_data_bn": norm.running_var}
    return {f"train_{name}": value for name, value in (stepped | statistics | {"out": out}).items()}


def _loss(vectors: Vectors, out: Tensor) -> Tensor:
    return mean_joint_distance(out, vectors["target"])


def _network(vectors: Vectors) -> GraphNetwork:
    config = vectors.config
    size = GLAGCNConfig(filter_widths=tuple(config["filter_widths"]), channels=config["channels"], dropout=0)
    network = GraphNetwork(size, HUMAN36M)
    network.load_state_dict(vectors.weights("glagcn", "network."))
    return network.eval()


GOLDEN = {"GLA-GCN": glagcn}
