"""What the harness computes on golden vectors: metrics, aggregations, PCK and AUC, cameras, windows, optimiser.

Each case takes a file (an object with ``config``, ``names``, ``array(name)`` and ``name in file``) and returns our
arrays under the names of the stored ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.data import cameras
from bench.data.sequence import Sequence
from bench.data.windows import Windows, eval_table, train_table
from bench.protocol.aggregation import aggregate_errors
from bench.protocol.metrics import PCK_GROUPS, auc, mpjpe, mpjve, n_mpjpe, p_mpjpe, pck
from models.lifter import Batch
from models.optim.ranger import Ranger
from models.skeleton import Skeleton

Outputs = dict[str, Any]
PAIR = Skeleton("pair", ("L", "R"), (-1, 0), (0,), (1,), 0)
PUBLISHED_AGGREGATIONS = ("P-Agg", "J-Agg", "P-Best", "J-Best")
METRICS = {"mpjpe": mpjpe, "p_mpjpe": p_mpjpe, "n_mpjpe": n_mpjpe, "mpjve": mpjve}
PREFIXES = {"mpjpe": "out_", "p_mpjpe": "out_p2_"}


def metrics(vectors: Any) -> Outputs:
    """Pose metrics, and every aggregation under both protocols; metres."""
    pred, target, root = (torch.from_numpy(vectors.array(name)) for name in ("pred", "target", "root_traj"))
    camera, input_2d = (torch.from_numpy(vectors.array(name)) for name in ("camera", "input_2d"))
    windows = len(target)
    truth = Batch(
        pose_2d=input_2d,
        actions=("",) * windows,
        window_keys=torch.arange(windows),
        pose_3d=target,
        trajectory=root[:, :, 0],
        camera=camera.expand(windows, -1),
    )
    reprojected = cameras.project(pred + root[:, None, None], camera)
    last = pred[:, -1, 0]
    outputs: Outputs = {f"out_{name}": _metres(metric(last, target)) for name, metric in METRICS.items()}
    outputs["out_mpjve_axis0_flat"] = _metres(mpjve(last.flatten(0, 1), target.flatten(0, 1)))
    special = (torch.from_numpy(vectors.array(f"special_{name}")) for name in ("pred", "target"))
    outputs["special_p_mpjpe"] = p_mpjpe(*special) / 1000
    (errors,) = aggregate_errors(pred, truth, calls=torch.zeros(len(truth), dtype=torch.int64)).values()
    for metric, prefix in PREFIXES.items():
        for name in PUBLISHED_AGGREGATIONS:
            mean = errors[metric, name].mean((0, 2, 3)) / 1000
            outputs[prefix + name.lower().replace("-", "_")] = mean
    return outputs | {"reproj_2d": reprojected, "out_j_agg_index": _nearest(reprojected, input_2d)}


def _metres(millimetres: Tensor) -> Tensor:
    return millimetres.mean() / 1000


def _nearest(reprojected: Tensor, input_2d: Tensor) -> Tensor:
    """Hypothesis of the smallest reprojection error; 0 at the root, where all hypotheses are equal."""
    nearest = (reprojected - input_2d[:, None, None]).square().sum(-1).argmin(2)
    nearest[..., 0] = 0
    return nearest


def pck_auc(vectors: Any) -> Outputs:
    """Rows of sequences, and of activities over all sequences with the total last."""
    count = sum(name.startswith("activity_") for name in vectors.names)
    errors = [torch.from_numpy(vectors.array(f"err_mm_{number}")) for number in range(1, count + 1)]
    activity = torch.cat([torch.from_numpy(vectors.array(f"activity_{number}")) for number in range(1, count + 1)])
    everything = torch.cat(errors)
    activities = [everything[activity == number] for number in sorted(set(activity.tolist()))]
    outputs: Outputs = {}
    for kind, rows in (("seq", errors), ("act", [*activities, everything])):
        groups = [[row[:, list(joints)] for joints in PCK_GROUPS.values()] for row in rows]
        outputs[f"{kind}_pck"] = np.array([[pck(group).mean() for group in row] for row in groups])
        outputs[f"{kind}_auc"] = np.array([[auc(group).mean() for group in row] for row in groups])
        outputs[f"{kind}_mpjpe"] = torch.stack([torch.cat([row.mean(0), row.mean()[None]]) for row in rows])
    return outputs


def camera(vectors: Any) -> Outputs:
    """Rigid motion, projection with and without distortion, and the two units of the image."""
    orientation, position, world = (vectors.array(name) for name in ("q", "t", "world"))
    seen = cameras.world_to_camera(world, orientation, position)
    intrinsics, points = vectors.array("camera"), vectors.array("points")
    size = vectors.config["width"], vectors.config["height"]
    screen = cameras.normalise(vectors.array("pixels"), *size)
    return {
        "out_world_to_camera": seen,
        "out_camera_to_world": cameras.camera_to_world(seen, orientation, position),
        "out_qrot": cameras.rotate(vectors.array("qs"), vectors.array("vs")),
        "out_qinverse": cameras.inverse(vectors.array("qs")),
        "out_project": cameras.project(points, intrinsics),
        "out_project_linear": cameras.project_linear(points, intrinsics),
        "out_normalized": screen,
        "out_image": cameras.image_coordinates(screen, *size),
    }


def training_windows(vectors: Any) -> Outputs:
    """Tables, and the windows of a tiny set in the order of the stored ones."""
    config = vectors.config
    outputs: Outputs = {}
    for name, flip in (("noaug", False), ("aug", True)):
        outputs[f"table_{name}"] = train_table(config["lengths"], config["chunk"], flip)
        outputs[f"tiny_table_{name}"] = train_table(config["tiny_lengths"], config["tiny_chunk"], flip)
        windows = Windows(_tiny_sequences(vectors), PAIR, config["tiny_chunk"], flip=flip)
        batch = windows.batch(np.arange(len(windows)))
        assert batch.pose_3d is not None
        equal = (vectors.array(f"tiny_3d_{name}")[:, None] == batch.pose_3d.numpy()).all((2, 3, 4))
        order = torch.from_numpy(equal.argmax(1))
        arrays = {"tiny_2d": batch.pose_2d, "tiny_3d": batch.pose_3d, "tiny_cam": batch.camera}
        outputs |= {f"{array}_{name}": tensor[order] for array, tensor in arrays.items() if tensor is not None}
    return outputs


def _tiny_sequences(vectors: Any) -> list[Sequence]:
    return [
        Sequence(
            subject="S1",
            action="Walking",
            camera="a",
            fps=50.0,
            pose_2d=vectors.array(f"tiny_seq2d_{number}"),
            pose_3d=vectors.array(f"tiny_seq3d_{number}"),
            trajectory=vectors.array(f"tiny_seq3d_{number}")[:, 0],
            intrinsics=vectors.array(f"tiny_seqcam_{number}"),
            width=1000,
            height=1002,
        )
        for number in range(len(vectors.config["tiny_lengths"]))
    ]


def evaluation_windows(vectors: Any) -> Outputs:
    """The source frame at every position of every window, for each length of a sequence."""
    window = vectors.config["window"]
    outputs = {}
    for name in vectors.names:
        length = int(name.removeprefix("frames_"))
        starts = eval_table([length], window)[:, 1:2]
        outputs[name] = np.clip(starts + np.arange(window), 0, length - 1)
    return outputs


def ranger_steps(vectors: Any) -> Outputs:
    """The parameters after every step with recorded gradients, the learning rate changed halfway."""
    parameter = torch.from_numpy(vectors.array("start")).clone().requires_grad_()
    optimizer = Ranger([parameter], lr=vectors.config["lr"])
    grads = torch.from_numpy(vectors.array("grads"))
    after = []
    for step, grad in enumerate(grads):
        if step == len(grads) // 2:
            optimizer.param_groups[0]["lr"] = vectors.config["lr_second_half"]
        parameter.grad = grad
        optimizer.step()
        after.append(parameter.detach().clone())
    return {"after": torch.stack(after)}


CASES: dict[str, Callable[[Any], Outputs]] = {
    "metrics": metrics,
    "3DHP PCK and AUC": pck_auc,
    "camera and quaternion functions": camera,
    "training windows": training_windows,
    "evaluation windows": evaluation_windows,
    "Ranger optimiser steps": ranger_steps,
}
"""By ``config["what"]`` or ``config["content"]`` of a file; "metrics" for the one file without."""

NOT_OURS = {
    "training windows": (
        r"shuffled_.*|num_batches_.*|tiny_batch_sizes_.*",
        "order and number of batches are the trainer's own",
    )
}
"""Arrays that describe something that this suite does otherwise, and what."""
