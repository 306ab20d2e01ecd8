"""The order of the 17 key points in a file of 2D poses: what its metadata says, and COCO's brought to Human3.6M's.

Metadata have the form of Pavllo et al., "3D human pose estimation in video", CVPR 2019: ``layout_name``,
``num_joints`` and ``keypoints_symmetry``, the left joints and the right ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.data.archive import read_archive
from bench.data.stored import check_dict
from models.errors import InputError, quoted
from models.skeleton import HUMAN36M

Order = Literal["h36m", "coco"]

METADATA = {
    "layout_name": "h36m",
    "num_joints": len(HUMAN36M.joints),
    "keypoints_symmetry": [list(HUMAN36M.left), list(HUMAN36M.right)],
}
_PAIRS: dict[Order, set[frozenset[int]]] = {
    "h36m": {frozenset(pair) for pair in zip(HUMAN36M.left, HUMAN36M.right, strict=True)},
    "coco": {frozenset((left, left + 1)) for left in range(1, 17, 2)},
}
_ORDERS: dict[str, Order] = {"h36m": "h36m", "human36m": "h36m", "human3.6m": "h36m", "coco": "coco"}

FROM_COCO: dict[str, tuple[int, ...]] = {
    "Hip": (11, 12), "RHip": (12,), "RKnee": (14,), "RFoot": (16,), "LHip": (11,), "LKnee": (13,), "LFoot": (15,),
    "Spine": (5, 6, 11, 12), "Thorax": (5, 6), "Neck/Nose": (0,), "Head": (1, 2),
    "LShoulder": (5,), "LElbow": (7,), "LWrist": (9,), "RShoulder": (6,), "RElbow": (8,), "RWrist": (10,),
}  # fmt: skip
"""Each joint of Human3.6M as the middle of COCO's (0 nose, 1 and 2 eyes, 5 and 6 shoulders, 11 and 12 hips).

As MotionBERT converts detections in the wild (Zhu et al., ICCV 2023).
"""

CONVERTED = (
    "2D key points in COCO's order were converted to Human3.6M's: no detector placed Hip, Spine and Thorax "
    "(middles of hips and shoulders), Neck/Nose is the nose and Head the middle of the eyes"
)
"""The note on a file in COCO's order."""


def joint_order(path: Path) -> Order:
    """What the file's metadata say of its order; Human3.6M's if there are none.

    Raises:
        InputError: the metadata cannot be read, contradict themselves, or name an order that is not known here.
    """
    metadata = read_archive(path, "metadata", optional=True)
    if metadata is None:
        return "h36m"
    stored = check_dict(metadata, f"{path}, key 'metadata'", "layout_name and keypoints_symmetry")
    layout, symmetry = stored.get("layout_name"), stored.get("keypoints_symmetry")
    if layout is None and symmetry is None:
        return "h36m"
    pairs = _pairs(symmetry)
    by_pairs = next((order for order, known in _PAIRS.items() if known == pairs), None)
    order = (_ORDERS.get(layout.lower()) if isinstance(layout, str) else None) or by_pairs
    if order is None:
        raise InputError(
            f"{path}: its metadata say that its joints are in the order {quoted(layout)}; only Human3.6M's (h36m) "
            "and COCO's 17 (coco) can be read: convert them"
        )
    if symmetry is not None and by_pairs != order:
        raise InputError(
            f"{path}: its metadata say {quoted(layout)}, but keypoints_symmetry pairs other joints: correct the "
            "one that is wrong"
        )
    return order


def in_our_order(keypoints: np.ndarray, order: Order) -> np.ndarray:
    """Key points ``[frames, 17, 2 or 3]`` in Human3.6M's order.

    A third column is the confidence; that of a middle is the least of its parts.
    """
    if order == "h36m":
        return keypoints
    parts = [list(FROM_COCO[joint]) for joint in HUMAN36M.joints]
    place = np.stack([keypoints[:, part, :2].mean(axis=1) for part in parts], axis=1)
    trusted = np.stack([keypoints[:, part, 2:].min(axis=1) for part in parts], axis=1)
    return np.concatenate([place, trusted], axis=-1)


def _pairs(symmetry: Any) -> set[frozenset[int]] | None:
    """Left and right joints that belong together; None if they are not told in this form."""
    try:
        left, right = symmetry
        return {frozenset((int(one), int(other))) for one, other in zip(left, right, strict=True)}
    except (TypeError, ValueError, OverflowError):
        return None
