"""Pose metrics, each once: metres in, millimetres (or percent) out, on any device, one number per frame.

Shapes: F frames, J joints; every other leading axis (batch, steps, hypotheses) broadcasts between prediction
and target. Averages over frames, sequences and actions are taken later (``bench.protocol.evaluate``), because
what is averaged first changes the number.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import torch
from torch import Tensor

from bench.protocol.alignment import joints_first, row_times, similarity
from models.skeleton import Skeleton

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
    """``joint_errors`` after the Procrustes alignment of every pose (``alignment.align``)."""
    pred, target = torch.broadcast_tensors(pred, target)
    return _aligned_errors(pred, target, pred.shape[-2:-1]).view(pred.shape[:-1])


def _aligned_errors(pred: Tensor, target: Tensor, joints: tuple[int, ...]) -> Tensor:
    """Errors ``[N, J]`` (mm) of N aligned poses, or their means ``[N]`` where ``joints`` is ().

    Works through the poses in pieces of the same memory, so that it stays small however many there are. On a CPU
    every thread takes its share of the poses: shared out operation by operation, two threads are hardly faster
    than one, because each works on what the other has in its cache.
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
    rooms = poses.new_empty(3, piece * poses[0].numel() if len(poses) else 0)
    for out, predicted, true in zip(errors.split(piece), poses.split(piece), targets.split(piece), strict=True):
        x, y = joints_first(predicted, rooms[0]), joints_first(true, rooms[1])
        linear, _ = similarity(x, y)
        offset = row_times(x, linear, rooms[2, : x.numel()].view(x.shape)).sub_(y)
        squared = offset.mul_(offset)
        distance = squared[:, 0].add_(squared[:, 1]).add_(squared[:, 2]).sqrt_()
        distance.mul_(MILLIMETRES)
        out.copy_(distance.t() if out.dim() == 2 else distance.mean(0))


def mpjpe(pred: Tensor, target: Tensor) -> Tensor:
    """Mean per-joint position error of each frame, ``[..., J, 3]`` → ``[...]`` mm ("protocol 1").

    Source: Ionescu et al., Human3.6M (TPAMI 2014).
    """
    return joint_errors(pred, target).mean(-1)


def p_mpjpe(pred: Tensor, target: Tensor) -> Tensor:
    """MPJPE after a similarity alignment of each frame, ``[..., J, 3]`` → ``[...]`` mm ("protocol 2").

    Source: Martinez et al., "A simple yet effective baseline" (ICCV 2017), "protocol 2".
    """
    pred, target = torch.broadcast_tensors(pred, target)
    return _aligned_errors(pred, target, ()).view(pred.shape[:-2])


def n_mpjpe(pred: Tensor, target: Tensor) -> Tensor:
    """MPJPE after the best scaling of each frame, ``[..., J, 3]`` → ``[...]`` mm.

    The scale is sum(pred·target) / sum(pred²), a least-squares fit about the root; a prediction of zeros stays.

    Source: Rhodin et al., "Learning monocular 3D human pose estimation from multi-view images" (CVPR 2018).
    """
    energy = pred.square().sum((-2, -1), keepdim=True)
    scale = (pred * target).sum((-2, -1), keepdim=True) / torch.where(energy > 0, energy, 1)
    return mpjpe(scale * pred, target)


def mpjve(pred: Tensor, target: Tensor) -> Tensor:
    """Mean per-joint velocity error, ``[..., F, J, 3]`` → ``[..., F - 1]`` mm per frame.

    Differences are taken inside a window, never across the seam of two.

    Source: Pavllo et al., VideoPose3D (CVPR 2019), "MPJVE".
    """
    return mpjpe(pred.diff(dim=-3), target.diff(dim=-3))


def acceleration_error(pred: Tensor, target: Tensor) -> Tensor:
    """Mean per-joint acceleration error, ``[..., F, J, 3]`` → ``[..., F - 2]`` mm per frame².

    Source: Kanazawa et al., "Learning 3D human dynamics from video" (CVPR 2019), "acceleration error".
    """
    return mpjpe(pred.diff(n=2, dim=-3), target.diff(n=2, dim=-3))


def bone_length_error(pred: Tensor, target: Tensor, skeleton: Skeleton) -> Tensor:
    """Mean over bones of the difference of lengths, ``[..., J, 3]`` → ``[...]`` mm."""
    return (_bone_lengths(pred, skeleton) - _bone_lengths(target, skeleton)).abs().mean(-1) * MILLIMETRES


def symmetry_error(pred: Tensor, skeleton: Skeleton) -> Tensor:
    """Mean difference in length of bones that mirror each other, ``[..., J, 3]`` → ``[...]`` mm.

    A property of the prediction alone: no body is perfectly symmetric, but few differ by a centimetre.
    """
    mirrored = skeleton.mirrored_order
    number = {bone: index for index, bone in enumerate(skeleton.bones)}
    pairs = [(index, number[mirrored[a], mirrored[b]]) for (a, b), index in number.items() if b in skeleton.left]
    lengths = _bone_lengths(pred, skeleton)
    left, right = (torch.tensor(side, device=pred.device) for side in zip(*pairs, strict=True))
    return (lengths[..., left] - lengths[..., right]).abs().mean(-1) * MILLIMETRES


def _bone_lengths(poses: Tensor, skeleton: Skeleton) -> Tensor:
    parent, child = (torch.tensor(ends, device=poses.device) for ends in zip(*skeleton.bones, strict=True))
    return (poses[..., child, :] - poses[..., parent, :]).norm(dim=-1)


PCK_THRESHOLD = 150.0
AUC_THRESHOLDS = tuple(range(0, 151, 5))
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


def pck(errors_mm: Tensor, threshold: float = PCK_THRESHOLD) -> Tensor:
    """Percentage of joints whose error is strictly below the threshold, ``[..., J]`` → ``[...]``.

    Source: Mehta et al., MPI-INF-3DHP (3DV 2017). Give the joints of one of ``PCK_GROUPS``.
    """
    return (errors_mm < threshold).double().mean(-1) * 100


def auc(errors_mm: Tensor) -> Tensor:
    """Mean of ``pck`` over the 31 thresholds 0, 5, … 150 mm, ``[..., J]`` → ``[...]`` percent."""
    thresholds = torch.tensor(AUC_THRESHOLDS, dtype=errors_mm.dtype, device=errors_mm.device)
    not_above = torch.bucketize(errors_mm.contiguous(), thresholds, right=True)
    return 100 - not_above.double().mean(-1) * (100 / len(thresholds))
