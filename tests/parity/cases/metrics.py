"""Golden cases of the pose metrics, of the aggregations of hypotheses, and of PCK and AUC."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bench.data.cameras import camera as cameras
from bench.protocol.aggregation import aggregate_errors
from bench.protocol.metrics import auc, mpjpe, mpjve, n_mpjpe, p_mpjpe, pck
from models.lifter import Batch
from tests.parity.vectors import Case, Limit, Outputs, Vectors

PCK_GROUPS: dict[str, tuple[int, ...]] = {
    "Head": (0,),
    "Neck": (1,),
    "Shoulders": (2, 5),
    "Elbows": (3, 6),
    "Wrists": (4, 7),
    "Hips": (8, 11),
    "Knees": (9, 12),
    "Ankles": (10, 13),
    "Total": tuple(range(14)),
}
"""Joints of MPI-INF-3DHP that its PCK and AUC count; pelvis, spine and head centre count nowhere."""


PUBLISHED_AGGREGATIONS = ("P-Agg", "J-Agg", "P-Best", "J-Best")
METRICS = {"mpjpe": mpjpe, "p_mpjpe": p_mpjpe, "n_mpjpe": n_mpjpe, "mpjve": mpjve}
PREFIXES = {"mpjpe": "out_", "p_mpjpe": "out_p2_"}


def metrics(vectors: Vectors) -> Outputs:
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


def pck_auc(vectors: Vectors) -> Outputs:
    """PCK, AUC and MPJPE: one row a sequence, then one row an activity and a last one for all frames."""
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


CASES = {
    "metrics": Case(metrics, ((r".*_index", Limit(0)), (r".*", Limit(1e-6)))),
    "3DHP PCK and AUC": Case(pck_auc, ((r".*", Limit(1e-3)),)),
}
