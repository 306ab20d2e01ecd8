"""Anatomy3D's published names, sizes and golden vectors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines.anatomy import Anatomy, AnatomyConfig, AnatomyNetwork, frame_losses, length_losses
from baselines.published.golden import GRADIENTS, Limits, Outputs, Vectors
from models.checkpoints.importer import count
from models.skeleton import HUMAN36M

LIFTER = Anatomy
RENAMES = {
    "expand_": "network.directions.expand_",
    "layers_conv.": "network.directions.convs_1.",
    "layers_bn.": "network.directions.norms_1.",
    "layers_conv1.": "network.directions.convs_2.",
    "layers_bn1.": "network.directions.norms_2.",
    "shrink_direct_": "network.directions.shrink_",
    "layers_convbone.": "network.lengths.linears.",
    "layers_bnbone.": "network.lengths.norms.",
    "boneatt.": "network.lengths.attention.",
    "lengthlinear.": "network.pose.lengthlinear.",
    "directlinear.": "network.pose.directlinear.",
    "shrink.": "network.pose.shrink.",
    "lengthlinear_1.": "network.shifts_1.lengthlinear.",
    "directlinear_1.": "network.shifts_1.directlinear.",
    "shrink_js_1.": "network.shifts_1.shrink.",
    "lengthlinear_2.": "network.shifts_2.lengthlinear.",
    "directlinear_2.": "network.shifts_2.directlinear.",
    "shrink_js_2.": "network.shifts_2.shrink.",
}
LIMITS: Limits = (GRADIENTS, (r"loss_.*", (2e-5, 1e-5)), (r".*", (5e-6, 0)))


def sizes(state: dict[str, Tensor]) -> dict[str, Any]:
    """Widths and channels."""
    convs, first = "network.directions.convs_1.", state["network.directions.expand_conv.weight"]
    wide = [state[f"{convs}{2 * block}.weight"] for block in range(count(state, convs) // 2)]
    return {"channels": len(first), "filter_widths": tuple(layer.shape[2] for layer in (first, *wide))}


def anatomy(vectors: Vectors) -> Outputs:
    """The whole-sequence form, the single-frame form with losses and gradients, and the augmentation."""
    network = _network(vectors)
    target, uniform = vectors["target_rand"], vectors["augment_uniform"]
    longer = network.bones.lengthened(target, uniform)
    augmented = {"augment_out": longer, "augment_length": network.bones.lengths(longer).mean(dim=1)}
    with torch.no_grad():
        whole = _whole_sequence(vectors, network)
    return whole | augmented | _single_frame(vectors, network)


def _whole_sequence(vectors: Vectors, network: AnatomyNetwork) -> Outputs:
    x, half = vectors["x"], vectors.config["receptive_field"] // 2
    rough = network.lengths.rough(x[..., :2])
    _, lengths = network.bone_lengths(x[:, half:-half, :, :2])
    directions = network.bone_directions(x)
    first = x[:, : vectors.config["receptive_field"]]
    return {
        "frame_joints": rough,
        "attention_logits": network.lengths.logits(rough),
        "bone_length": lengths[:, 0],
        "bone_direction": directions,
        "out": network.pose(lengths, directions),
        "causal_out_1f": _network(vectors, causal=True).estimate(first, vectors["x_rand"]).pose,
    }


def _single_frame(vectors: Vectors, network: AnatomyNetwork) -> Outputs:
    config, truth = vectors.config, vectors["target_3d"]
    middle, frame = truth.shape[1] // 2, config["rand_frame_in_loss"]
    estimates = network.estimate(vectors["x"][:, : truth.shape[1]], vectors["x_rand"])
    rough, lengths = network.bone_lengths(vectors["x_aug"])
    window = network.bones.lengths(truth).mean(dim=1)
    outputs = {
        "out_1f": estimates.pose,
        "bone_length_1f": estimates.lengths[:, 0],
        "rand_joints": estimates.rough,
        "aug_bone_length": lengths[:, 0],
        "aug_joints": rough,
    }
    for number, (direction, shift) in enumerate(zip(estimates.directions, estimates.shifts, strict=True), start=1):
        outputs[f"direction_{number}"] = direction.flatten(2).transpose(1, 2)
        outputs[f"joint_shift_{number}"] = shift
    losses = dict(
        zip(
            ("position", "direction", "joint_shift", "rand_position", "length", "aug_position", "aug_length"),
            (
                *frame_losses(network.bones, estimates, truth[:, middle : middle + 1]),
                *length_losses(estimates.rough, estimates.lengths, vectors["target_rand"], window, frame),
                *length_losses(rough, lengths, vectors["target_aug"], vectors["target_aug_length"], frame),
            ),
            strict=True,
        )
    )
    losses["total"] = torch.stack(list(losses.values())).sum()
    losses["total"].backward()
    outputs |= {f"loss_{name}": loss for name, loss in losses.items()}
    return outputs | {"grad_norms": vectors.grad_norms("anatomy", network, "network.")}


def _network(vectors: Vectors, causal: bool = False) -> AnatomyNetwork:
    config = vectors.config
    widths = tuple(config["filter_widths"])
    size = AnatomyConfig(filter_widths=widths, channels=config["channels"], dropout=0, causal=causal)
    network = AnatomyNetwork(size, HUMAN36M)
    network.load_state_dict(vectors.weights("anatomy", "network."))
    return network.eval()


GOLDEN = {"Anatomy3D": anatomy}
