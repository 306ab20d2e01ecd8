"""Golden cases of GLA-GCN."""

from __future__ import annotations

from torch import Tensor

from baselines.glagcn import GLAGCNConfig, GraphNetwork
from baselines.published.glagcn import ADAPTER
from models.losses import mean_joint_distance
from models.skeleton import SKELETONS
from tests.parity.vectors import GRADIENTS, Case, Limit, Limits, Outputs, Vectors, first_output, loss_and_gradients

LIMITS: Limits = (GRADIENTS, (r".*", Limit(5e-6)))


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
    outputs |= loss_and_gradients(vectors, ADAPTER, network, _loss(vectors, out), "network.")
    return outputs | _trained(vectors)


def _trained(vectors: Vectors) -> Outputs:
    network = _network(vectors).train()
    out = network(vectors["x"])[:, None]
    stepped = loss_and_gradients(vectors, ADAPTER, network, _loss(vectors, out), "network.")
    norm = network.data_bn
    statistics = {"running_mean_data_bn": norm.running_mean, "running_var_data_bn": norm.running_var}
    return {f"train_{name}": value for name, value in (stepped | statistics | {"out": out}).items()}


def _loss(vectors: Vectors, out: Tensor) -> Tensor:
    return mean_joint_distance(out, vectors["target"])


def _network(vectors: Vectors) -> GraphNetwork:
    config = vectors.config
    size = GLAGCNConfig(filter_widths=tuple(config["filter_widths"]), channels=config["channels"], dropout=0)
    joints = vectors["x"].shape[2]
    network = GraphNetwork(size, next(known for known in SKELETONS.values() if len(known.joints) == joints))
    network.load_state_dict(vectors.weights(ADAPTER, "network."))
    return network.eval()


CASES = {"GLA-GCN": Case(glagcn, LIMITS)}
