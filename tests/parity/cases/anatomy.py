"""Golden cases of Anatomy3D."""

from __future__ import annotations

import torch

from baselines.anatomy import AnatomyConfig, AnatomyNetwork, frame_losses, length_losses
from baselines.published.anatomy import ADAPTER
from models.skeleton import HUMAN36M
from tests.parity.vectors import GRADIENTS, Case, Limit, Limits, Outputs, Vectors

LIMITS: Limits = (GRADIENTS, (r"loss_.*", Limit(2e-5, 1e-5)), (r".*", Limit(5e-6)))


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
    return outputs | {"grad_norms": vectors.grad_norms(ADAPTER, network, "network.")}


def _network(vectors: Vectors, causal: bool = False) -> AnatomyNetwork:
    config = vectors.config
    widths = tuple(config["filter_widths"])
    size = AnatomyConfig(filter_widths=widths, channels=config["channels"], dropout=0, causal=causal)
    network = AnatomyNetwork(size, HUMAN36M)
    network.load_state_dict(vectors.weights(ADAPTER, "network."))
    return network.eval()


CASES = {"Anatomy3D": Case(anatomy, LIMITS)}
