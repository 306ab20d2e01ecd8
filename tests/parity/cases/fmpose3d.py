"""Golden cases of FMPose3D."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from baselines.fmpose3d import NO_DROPOUT, FMPose3D, FMPose3DConfig, between, graphs
from baselines.published.fmpose3d import ADAPTER
from bench.data.windows import Windows, training_windows
from bench.protocol.aggregation import Candidates, p_agg, reprojection_errors
from bench.protocol.rpea import TEMPERATURE, weighted
from models.inference import root_at_origin
from models.lifter import Batch
from models.skeleton import HUMAN36M
from tests.parity.training import recorded_training, sequence_of, training_case
from tests.parity.vectors import GRADIENTS, Case, Limit, Limits, Outputs, Vectors, first_output, loss_and_gradients

SomeFMPose3D = TypeVar("SomeFMPose3D", bound=FMPose3D)

LIMITS: Limits = (GRADIENTS, (r".*", Limit(1e-5)))


def fmpose3d(vectors: Vectors) -> Outputs:
    """The graphs, the velocity with intermediate features, loss and gradients, samples."""
    lifter, x_2d = lifter_of(vectors, FMPose3D), vectors["x_2d"]
    network, seen = lifter.network, Outputs()
    first_output(network.encoder, seen, "after_encoder")
    first_output(network.blocks[0].gcn1, seen, "gcn0")
    first_output(network.blocks[0].attn, seen, "attention0")
    first_output(network.blocks[0], seen, "after_block0")
    first_output(network.norm, seen, "after_norm")
    times = vectors["t"].flatten()
    velocity = network(x_2d.flatten(0, 1), vectors["y_t"].flatten(0, 1), times)
    outputs = seen | {"velocity": velocity[:, None], "adjacency": graphs(HUMAN36M)}
    outputs["gcn0"] = seen["gcn0"].transpose(1, 2)
    outputs["attention0"] = seen["attention0"][:, :, 0]
    outputs["time_embedding"] = network.embed_time(times)[:, None]
    for name, steps in (("hypotheses", vectors.config["steps"]), ("hypotheses_1step", 1)):
        outputs[name] = _samples(lifter, x_2d, vectors["noise"], steps)
    return outputs | _training(vectors, lifter) | _aggregated(vectors, outputs["hypotheses"])


def lifter_of(vectors: Vectors, method: type[SomeFMPose3D]) -> SomeFMPose3D:
    """In evaluation mode, with the file's weights and without dropout."""
    config = vectors.config
    size = {"channels": config["channels"], "layers": config["layers"], "heads": config["heads"]}
    lifter = method(FMPose3DConfig(frames=1, hidden=config["mlp_hidden"], **size, **NO_DROPOUT))
    lifter.load_state_dict(vectors.weights(ADAPTER))
    return lifter.eval()


def _samples(lifter: FMPose3D, x_2d: Tensor, noise: Tensor, steps: int) -> Tensor:
    """``[2 * H, B, 1, J, 3]``, of each hypothesis the mirrored sample, then the plain one."""
    plain, mirrored = noise.unbind(1)  # [H, 2, B, 1, J, 3] → twice [H, B, 1, J, 3]
    skeleton = lifter.skeleton
    with torch.no_grad():
        there = lifter.sample(x_2d, plain.transpose(0, 1), steps)[:, -1]  # [B, H, 1, J, 3]
        back = skeleton.mirror(lifter.sample(skeleton.mirror(x_2d), mirrored.transpose(0, 1), steps)[:, -1])
    both = torch.stack([back, there], dim=2).flatten(1, 2).transpose(0, 1)  # → [B, 2·H, …] → [2·H, B, …]
    return root_at_origin(both, skeleton)


def _training(vectors: Vectors, lifter: FMPose3D) -> Outputs:
    target, noise, times = vectors["target"], vectors["train_noise"], vectors["train_t"].flatten()
    loss = lifter.flow_loss(vectors["x_2d"], target, noise, times)
    return loss_and_gradients(vectors, ADAPTER, lifter, loss) | {"train_y_t": between(noise, target, times)}


def _aggregated(vectors: Vectors, hypotheses: Tensor) -> Outputs:
    """The mean, the published choice (here J-Agg) and RPEA, with the true root."""
    config, root = vectors.config, vectors["target"][:, :, 0]
    assert config["temperature"] == TEMPERATURE
    truth = Batch(vectors["x_2d"], ("", ""), torch.arange(2), trajectory=root, camera=vectors["camera"])
    outputs: Outputs = {}
    for name, samples in (("agg", hypotheses), ("near", vectors["near"])):
        pred = samples.transpose(0, 1)[:, None]  # [2·H, B, 1, J, 3] → [B, 1, 2·H, 1, J, 3]
        distance = reprojection_errors(pred, root[:, None], truth)
        nearest = Candidates(pred, truth, {}, {}, distance).nearest
        picked = pred.gather(2, nearest[:, :, None, ..., None].expand(-1, -1, 1, -1, -1, 3))[:, 0, 0]
        outputs[f"{name}_select"] = root_at_origin(picked, HUMAN36M)
        rpea = weighted(pred, root[:, None], truth, config["topk"])[:, 0]
        outputs[f"{name}_rpea"] = root_at_origin(rpea, HUMAN36M)
    outputs["agg_mean"] = p_agg(hypotheses.transpose(0, 1)[:, None], truth)[:, 0]
    return outputs


class RecordedFMPose3D(FMPose3D):
    """FMPose3D whose times and noise are those of a file, in its order."""

    recorded_times: Tensor
    recorded_noise: Tensor
    drawn = 0

    def draw(self, target: Tensor) -> tuple[Tensor, Tensor]:
        some = slice(self.drawn, self.drawn + len(target))
        self.drawn = some.stop
        return self.recorded_times[some], self.recorded_noise[some]


def training(vectors: Vectors) -> Outputs:
    """The recorded optimiser steps; what is generated in the root's row is its position."""
    lifter = lifter_of(vectors, RecordedFMPose3D)
    lifter.recorded_times, lifter.recorded_noise = vectors["t"].flatten(), vectors["noise"]
    probed = [vectors[name].flatten(0, 1) for name in ("probe_2d", "probe_y")]

    def probe() -> Tensor:
        return lifter.network(*probed, vectors["probe_t"].flatten())[:, None]

    outputs = recorded_training(vectors, ADAPTER, lifter, probe, _frames(vectors, lifter))
    target = outputs["target"].clone()
    target[:, :, lifter.skeleton.root] = outputs["root_before_zeroing"]
    return outputs | {"target": target}


def _frames(vectors: Vectors, lifter: FMPose3D) -> tuple[Windows, np.ndarray]:
    """Windows of single frames, found from the plain and mirrored ones in the file, and their rows."""
    mirrored = vectors["mirrored"].bool()[:, None, None, None]
    seen, poses = vectors["x_2d"], vectors["target"]
    plain_2d, plain_3d = (torch.where(mirrored, lifter.skeleton.mirror(x), x).numpy() for x in (seen, poses))
    _, first, frame = np.unique(plain_2d.round(6), axis=0, return_index=True, return_inverse=True)
    found = [sequence_of(plain_2d[row], plain_3d[row], 0, f"frame {number}") for number, row in enumerate(first)]
    windows = training_windows(found, lifter, flip=True)
    row_of = {(sequence, flip): row for row, (sequence, _, _, flip) in enumerate(windows.table.tolist())}
    flips = vectors.array("mirrored").tolist()
    return windows, np.array([row_of[pair] for pair in zip(frame.flatten().tolist(), flips, strict=True)])


TRAINING = training_case(training)
KEY_BIASES = (r"param_norms_.*", Limit(0, 2e-3))
"""Rounding noise moves the biases of keys (see ``tests.parity.training``), here at a high learning rate."""

CASES = {
    "FMPose3D": Case(fmpose3d, LIMITS),
    "FMPose3D training": replace(TRAINING, limits=(KEY_BIASES, *TRAINING.limits)),
}
