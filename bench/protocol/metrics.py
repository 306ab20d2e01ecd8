"""Pose metrics: metres in, millimetres (or percent) out, on any device, one number per frame.

Each is a function and, below it, a ``Metric`` with all that collectors, records and tables need to know of it.
``METRICS`` of ``bench.config.registry`` lists them; another package adds one through its entry-point group.

Shapes: F frames, J joints; every other leading axis (batch, steps, hypotheses) broadcasts between prediction
and target. Averages over frames, sequences and actions are taken later (``bench.protocol.summary``), because
what is averaged first changes the number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Literal

import torch
from torch import Tensor

from bench.config.registry import METRICS
from bench.protocol.alignment import joints_first, row_times, similarity
from bench.results.metrics import MetricInfo
from models.errors import InputError
from models.skeleton import Skeleton

Level = Literal["joint", "score", "frame", "sequence"]


@dataclass(frozen=True)
class Metric:
    """One metric and all that is known of it.

    A metric of hypotheses ("joint", "score") gets a value under every aggregation. A metric of the answer
    ("frame", "sequence") is computed once: for the pose of a deterministic method, or the mean of the hypotheses.

    Attributes:
        name: its key in records and MLflow; that of the registry.
        title, unit, higher_is_better: for tables.
        rule: what it is, in one line without the unit; it stands under the tables that print the metric.
        level: what ``compute`` takes and gives:

            - "joint": (pred, target) ``[..., J, 3]`` metres → ``[..., J]``, aggregated over hypotheses;
            - "score": errors ``[..., J]`` mm of ``MPJPE`` after aggregation → ``[..., J]``;
            - "frame": (pred, target, skeleton), poses ``[N, J, 3]`` metres → ``[N]``;
            - "sequence": the same for N successive frames of one sequence → ``[N - frames_before]``.
        compute: see ``level``.
        version: raised when the same predictions would give another number.
        frames_before: of "sequence": how many frames before it the value of a frame needs (1 for a velocity).
        joints: of "score": which joints of a skeleton the mean over joints is of; None, or without it, all.
        defined_for: whether a skeleton has what it measures; where not, records have no value of it.
    """

    name: str
    title: str
    unit: str
    level: Level
    compute: Callable[..., Tensor]
    higher_is_better: bool = False
    version: int = 1
    frames_before: int = 0
    joints: Callable[[Skeleton], Sequence[int] | None] | None = None
    defined_for: Callable[[Skeleton], bool] = lambda skeleton: True
    rule: str = ""

    def __post_init__(self) -> None:
        if self.level == "joint" and (self.higher_is_better or self.joints is not None):
            raise InputError(
                f"metric {self.name!r}: P-Best and J-Best take the smallest error of all joints, so at the level "
                '"joint" lower is better and no joints are left out; take the level "score"'
            )

    @property
    def info(self) -> MetricInfo:
        """What records keep of it."""
        return MetricInfo(
            title=self.title, unit=self.unit, higher_is_better=self.higher_is_better, version=self.version
        )


def all_metrics(own: bool = True) -> tuple[Metric, ...]:
    """The suite's metrics in the order of tables (none without ``own``), then those of other packages."""
    return tuple(replace(metric, name=name) for name, metric in METRICS.instances(Metric, own))


MILLIMETRES = 1000.0
PIECE = {"cpu": 1 << 14}
GPU_PIECE = 1 << 18


def joint_errors(pred: Tensor, target: Tensor) -> Tensor:
    """Distance of every joint from its target.

    Args:
        pred, target: ``[..., J, 3]`` metres, broadcasting.

    Returns:
        ``[..., J]`` millimetres.
    """
    squared = (pred - target).square()
    return (squared[..., 0] + squared[..., 1] + squared[..., 2]).sqrt() * MILLIMETRES


def aligned_joint_errors(pred: Tensor, target: Tensor) -> Tensor:
    """``joint_errors`` after the best similarity of every pose, ``[..., J, 3]`` metres → ``[..., J]`` mm.

    Source: Martinez et al., "A simple yet effective baseline" (ICCV 2017), "protocol 2".
    """
    pred, target = torch.broadcast_tensors(pred, target)
    return _aligned_errors(pred, target, pred.shape[-2:-1]).view(pred.shape[:-1])


def p_mpjpe(pred: Tensor, target: Tensor) -> Tensor:
    """Mean over joints of ``aligned_joint_errors``, ``[..., J, 3]`` metres → ``[...]`` mm; needs less memory."""
    pred, target = torch.broadcast_tensors(pred, target)
    return _aligned_errors(pred, target, ()).view(pred.shape[:-2])


def _aligned_errors(pred: Tensor, target: Tensor, joints: tuple[int, ...]) -> Tensor:
    """Errors ``[N, J]`` (mm) of N aligned poses, or their means ``[N]`` where ``joints`` is ().

    Works through the poses in pieces that use the same memory again, so that it needs little however many there
    are. On a CPU every thread works on poses of its own: if torch splits each operation between threads instead,
    two are hardly faster than one, because each needs what lies in the cache of the other.
    """
    poses = pred.reshape(-1, *pred.shape[-2:])
    targets = target.reshape(poses.shape)
    errors = poses.new_empty(len(poses), *joints)
    piece = PIECE.get(pred.device.type, GPU_PIECE)
    threads = torch.get_num_threads()
    shares = min(threads, len(poses) // piece) if pred.device.type == "cpu" else 1
    if shares < 2:
        _align_in_pieces(poses, targets, errors, piece)
    else:
        try:
            with ThreadPoolExecutor(shares, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                parts = (tensor.chunk(shares) for tensor in (poses, targets, errors))
                list(pool.map(_align_in_pieces, *parts, repeat(piece)))
        finally:
            torch.set_num_threads(threads)
    return errors


def _align_in_pieces(poses: Tensor, targets: Tensor, errors: Tensor, piece: int) -> None:
    """Fill errors ``[N, J]`` or ``[N]`` (mm) of aligned poses ``[N, J, 3]``, ``piece`` poses at a time."""
    piece = min(piece, max(1, len(poses)))
    buffers = poses.new_empty(3, piece * poses[0].numel() if len(poses) else 0)
    for out, predicted, true in zip(errors.split(piece), poses.split(piece), targets.split(piece), strict=True):
        x, y = joints_first(predicted, buffers[0]), joints_first(true, buffers[1])
        linear, _ = similarity(x, y)
        offset = row_times(x, linear, buffers[2, : x.numel()].view(x.shape)).sub_(y)
        squared = offset.mul_(offset)
        distance = squared[:, 0].add_(squared[:, 1]).add_(squared[:, 2]).sqrt_()
        distance.mul_(MILLIMETRES)
        out.copy_(distance.t() if out.dim() == 2 else distance.mean(0))


def mpjpe(pred: Tensor, target: Tensor) -> Tensor:
    """Mean per-joint position error of each frame, ``[..., J, 3]`` → ``[...]`` mm ("protocol 1").

    Source: Ionescu et al., Human3.6M (TPAMI 2014).
    """
    return joint_errors(pred, target).mean(-1)


MPJPE = Metric(
    "mpjpe", "MPJPE", "mm", "joint", joint_errors,
    rule="mean distance of joints to the ground truth, as predicted (Protocol 1)",
)  # fmt: skip
P_MPJPE = Metric(
    "p_mpjpe", "P-MPJPE", "mm", "joint", aligned_joint_errors,
    rule="MPJPE after the best similarity transform of each pose (Protocol 2)",
)  # fmt: skip


def n_mpjpe(pred: Tensor, target: Tensor) -> Tensor:
    """MPJPE after the best scaling of each frame, ``[..., J, 3]`` → ``[...]`` mm.

    The scale is sum(pred·target) / sum(pred²), a least-squares fit about the root; a prediction of zeros stays.

    Source: Rhodin et al., "Learning monocular 3D human pose estimation from multi-view images" (CVPR 2018).
    """
    energy = pred.square().sum((-2, -1), keepdim=True)
    scale = (pred * target).sum((-2, -1), keepdim=True) / torch.where(energy > 0, energy, 1)
    return mpjpe(scale * pred, target)


N_MPJPE = Metric(
    "n_mpjpe", "N-MPJPE", "mm", "frame", lambda pred, target, skeleton: n_mpjpe(pred, target),
    rule="MPJPE after the best scaling of each frame",
)  # fmt: skip


def mpjve(pred: Tensor, target: Tensor) -> Tensor:
    """Mean per-joint velocity error, ``[..., F, J, 3]`` → ``[..., F - 1]`` mm per frame.

    Source: Pavllo et al., VideoPose3D (CVPR 2019), "MPJVE".
    """
    return mpjpe(pred.diff(dim=-3), target.diff(dim=-3))


MPJVE = Metric(
    "mpjve", "MPJVE", "mm/frame", "sequence",
    lambda pred, target, skeleton: mpjve(pred, target), version=2, frames_before=1,
    rule="mean error of joint velocity",
)  # fmt: skip
"""Version 2 runs over the seams of windows; version 1 took differences inside of windows only."""


def acceleration_error(pred: Tensor, target: Tensor) -> Tensor:
    """Mean per-joint acceleration error, ``[..., F, J, 3]`` → ``[..., F - 2]`` mm per frame².

    Source: Kanazawa et al., "Learning 3D human dynamics from video" (CVPR 2019), "acceleration error".
    """
    return mpjpe(pred.diff(n=2, dim=-3), target.diff(n=2, dim=-3))


ACCELERATION = Metric(
    "acceleration", "Acceleration error", "mm/frame²", "sequence",
    lambda pred, target, skeleton: acceleration_error(pred, target), frames_before=2,
    rule="mean error of the second difference of a joint's place",
)  # fmt: skip


def bone_length_error(pred: Tensor, target: Tensor, skeleton: Skeleton) -> Tensor:
    """Mean over bones of the difference of lengths, ``[..., J, 3]`` → ``[...]`` mm; the skeleton has a bone."""
    return (_bone_lengths(pred, skeleton) - _bone_lengths(target, skeleton)).abs().mean(-1) * MILLIMETRES


BONE_LENGTH = Metric(
    "bone_length", "Bone length error", "mm", "frame", bone_length_error,
    defined_for=lambda skeleton: bool(skeleton.bones), rule="mean error of the lengths of bones",
)  # fmt: skip


def symmetry_error(pred: Tensor, skeleton: Skeleton) -> Tensor:
    """Mean difference in length of bones that mirror each other, ``[..., J, 3]`` → ``[...]`` mm.

    A property of the prediction alone: no body is perfectly symmetric, but few differ by a centimetre. The
    skeleton has a bone with a mirror image (``Skeleton.mirrored_bones``).
    """
    lengths = _bone_lengths(pred, skeleton)
    left, right = (torch.tensor(side, device=pred.device) for side in zip(*skeleton.mirrored_bones, strict=True))
    return (lengths[..., left] - lengths[..., right]).abs().mean(-1) * MILLIMETRES


SYMMETRY = Metric(
    "symmetry", "Symmetry error", "mm", "frame", lambda pred, target, skeleton: symmetry_error(pred, skeleton),
    defined_for=lambda skeleton: bool(skeleton.mirrored_bones),
    rule="mean difference of bones that mirror each other",
)  # fmt: skip


def _bone_lengths(poses: Tensor, skeleton: Skeleton) -> Tensor:
    parent, child = (torch.tensor(ends, device=poses.device) for ends in zip(*skeleton.bones, strict=True))
    return (poses[..., child, :] - poses[..., parent, :]).norm(dim=-1)


PCK_THRESHOLD = 150.0
AUC_THRESHOLDS = tuple(range(0, 151, 5))


def pck(errors_mm: Tensor, threshold: float = PCK_THRESHOLD) -> Tensor:
    """Percentage of joints whose error is strictly below the threshold, ``[..., J]`` → ``[...]``.

    Source: Mehta et al., MPI-INF-3DHP (3DV 2017).
    """
    return (errors_mm < threshold).double().mean(-1) * 100


def auc(errors_mm: Tensor) -> Tensor:
    """Mean of ``pck`` over the 31 thresholds 0, 5, … 150 mm, ``[..., J]`` → ``[...]`` percent."""
    thresholds = torch.tensor(AUC_THRESHOLDS, dtype=errors_mm.dtype, device=errors_mm.device)
    not_above = torch.bucketize(errors_mm.contiguous(), thresholds, right=True)
    return 100 - not_above.double().mean(-1) * (100 / len(thresholds))


PCK = Metric(
    "pck", "PCK", "%", "score", lambda errors: pck(errors[..., None]), higher_is_better=True,
    joints=lambda skeleton: skeleton.pck_joints, rule="share of joints within 150 mm",
)  # fmt: skip
AUC = Metric(
    "auc", "AUC", "%", "score", lambda errors: auc(errors[..., None]), higher_is_better=True,
    joints=lambda skeleton: skeleton.pck_joints, rule="mean of the share of joints within 0 to 150 mm",
)  # fmt: skip
