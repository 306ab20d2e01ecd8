"""The layout of the key points in a file of 2D poses: what its metadata says, and others brought to Human3.6M's.

Metadata have the form of Pavllo et al., "3D human pose estimation in video", CVPR 2019: ``layout_name``,
``num_joints`` and ``keypoints_symmetry``, the left joints and the right ones.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bench.data.archive import read_archive
from bench.data.layouts import LAYOUTS, Layout
from bench.data.stored import check_dict
from models.errors import InputError, quoted
from models.skeleton import HUMAN36M

METADATA = {
    "layout_name": "h36m",
    "num_joints": len(HUMAN36M.joints),
    "keypoints_symmetry": [list(HUMAN36M.left), list(HUMAN36M.right)],
}
OURS = LAYOUTS["human36m"]
WITHOUT_NOSE = Layout("human36m16", "Human3.6M-16", tuple(joint for joint in OURS.points if joint != "Neck/Nose"))
"""Layout of stacked hourglass networks that were fine-tuned on Human3.6M; their metadata say "h36m" too."""
KNOWN = {layout.name: layout for layout in (*LAYOUTS.values(), WITHOUT_NOSE)}
_NAMED = KNOWN | {"h36m": OURS, "human3.6m": OURS, "halpe": KNOWN["halpe26"]}


def conversion_note(layout: Layout) -> str:
    """What tables say of key points that were converted."""
    made = [joint for joint in HUMAN36M.joints if joint not in layout.points]
    return (
        f"2D key points in the layout {layout.title} were converted to Human3.6M's: no detector placed "
        f"{', '.join(made)}, which are made of their neighbours"
    )


def layout_of(path: Path) -> Layout:
    """What the file's metadata say of its layout; Human3.6M's if there are none.

    Raises:
        InputError: the metadata cannot be read, contradict themselves, or name a layout that is not known here.
    """
    metadata = read_archive(path, "metadata", optional=True)
    if metadata is None:
        return OURS
    stored = check_dict(metadata, f"{path}, key 'metadata'", "layout_name and keypoints_symmetry")
    name, symmetry = stored.get("layout_name"), stored.get("keypoints_symmetry")
    if name is None and symmetry is None:
        return OURS
    layout = _NAMED.get(name.lower()) if isinstance(name, str) else None
    if layout is None or (layout == OURS and _sides(WITHOUT_NOSE) == _told_sides(symmetry)):
        layout = next((known for known in KNOWN.values() if _sides(known) == _told_sides(symmetry)), None)
    if layout is None:
        raise InputError(
            f"{path}: its metadata say that its joints are in the order {quoted(name)}; only the layouts "
            f"{', '.join(KNOWN)} can be read: convert them"
        )
    (left, right), told = _sides(layout), _told_sides(symmetry)
    fits = told is not None and left <= told[0] and right <= told[1] and not told[0] & told[1]
    if symmetry is not None and not fits:
        raise InputError(
            f"{path}: its metadata say {quoted(name)}, but keypoints_symmetry has other joints on the left and on "
            "the right: correct the one that is wrong"
        )
    return layout


Sides = tuple[set[int], set[int]]


def _sides(layout: Layout) -> Sides:
    """Numbers of the left and of the right key points, as far as their names tell them."""
    left, right = (
        {number for number, name in enumerate(layout.points) if re.match(rf"{word} |{word[0].upper()}[A-Z]", name)}
        for word in ("left", "right")
    )
    return left, right


def _told_sides(symmetry: Any) -> Sides | None:
    """The same as metadata tell them; None if they are not told in this form."""
    try:
        left, right = ({int(joint) for joint in side} for side in symmetry)
    except (TypeError, ValueError, OverflowError):
        return None
    return left, right
