"""Tests of bench.data.bvh, and bodies to write into BVH files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from tests.bench.data import SHARED

CMU_BVH = SHARED / "data" / "cmu_bvh"

# part: parent, offset in centimetres (y up, facing +z, the left at +x), name
BODY = {
    "hips": (None, (0, 0, 0), "Hips"),
    "lhip": ("hips", (9, -4, 0), "LeftUpLeg"),
    "lknee": ("lhip", (0, -42, 0), "LeftLeg"),
    "lfoot": ("lknee", (0, -40, 0), "LeftFoot"),
    "ltoe": ("lfoot", (0, -6, 14), "LeftToeBase"),
    "rhip": ("hips", (-9, -4, 0), "RightUpLeg"),
    "rknee": ("rhip", (0, -42, 0), "RightLeg"),
    "rfoot": ("rknee", (0, -40, 0), "RightFoot"),
    "rtoe": ("rfoot", (0, -6, 14), "RightToeBase"),
    "spine": ("hips", (0, 24, 0), "Spine"),
    "neck": ("spine", (0, 25, 0), "Neck"),
    "head": ("neck", (0, 11, 2), "Head"),
    "lshoulder": ("spine", (17, 21, 0), "LeftArm"),
    "lelbow": ("lshoulder", (28, 0, 0), "LeftForeArm"),
    "lwrist": ("lelbow", (25, 0, 0), "LeftHand"),
    "rshoulder": ("spine", (-17, 21, 0), "RightArm"),
    "relbow": ("rshoulder", (-28, 0, 0), "RightForeArm"),
    "rwrist": ("relbow", (-25, 0, 0), "RightHand"),
}
ENDS = {"head": (0, 16, 3), "ltoe": (0, 0, 6), "rtoe": (0, 0, 6), "lwrist": (8, 0, 0), "rwrist": (-8, 0, 0)}
Body = Mapping[str, tuple[str | None, tuple[float, float, float], str]]


def bvh_text(
    frames: int = 40,
    names: dict[str, str] | None = None,
    order: str = "ZXY",
    turn: np.ndarray | None = None,
    scale: float = 1.0,
    fps: float = 100.0,
    seed: int = 0,
    body: Body = BODY,
    ends: Mapping[str, tuple[float, float, float]] = ENDS,
    change: Callable[[np.ndarray], np.ndarray] | None = None,
) -> str:
    """A person who stands and sways, as the text of a BVH file.

    Args:
        frames: T.
        names: of the parts of ``BODY``.
        order: of the rotation channels.
        turn: ``[3, 3]``, applied to all offsets and to the path: other axes.
        scale: of a centimetre in the file's unit.
        fps: frames per second.
        seed: of the motion, smooth rotations of up to 20 degrees.
        body, ends: its joints, as ``BODY``, and their end sites.
        change: of the rows of the motion, ``[T, C]``: the root's place, then three angles of each part.
    """
    turn = np.eye(3) if turn is None else turn
    names = {part: name for part, (_, _, name) in body.items()} | (names or {})
    channels = " ".join(f"{axis}rotation" for axis in order)
    lines = ["HIERARCHY"]

    def offset(vector: tuple[float, ...]) -> str:
        return "OFFSET " + " ".join(f"{value:.6f}" for value in scale * turn @ np.array(vector))

    def write(part: str, depth: int) -> None:
        indent = "\t" * depth
        parent, vector, _ = body[part]
        number = 6 if parent is None else 3
        place = "Xposition Yposition Zposition " if parent is None else ""
        lines.append(f"{indent}{'ROOT' if parent is None else 'JOINT'} {names[part]}")
        lines.extend(
            [f"{indent}{{", f"{indent}\t{offset(vector)}", f"{indent}\tCHANNELS {number} {place}{channels}"]
        )
        for child, (above, _, _) in body.items():
            if above == part:
                write(child, depth + 1)
        if part in ends:
            lines.extend(
                [f"{indent}\tEnd Site", f"{indent}\t{{", f"{indent}\t\t{offset(ends[part])}", f"{indent}\t}}"]
            )
        lines.append(f"{indent}}}")

    write("hips", 0)
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None] / fps
    speed, phase = rng.uniform(1, 4, 3 * len(body)), rng.uniform(0, 6.28, 3 * len(body))
    angles = rng.uniform(0, 20, 3 * len(body)) * np.sin(speed * time + phase)
    path = np.stack([10 * np.sin(time[:, 0]), 92 + 0 * time[:, 0], 30 * time[:, 0]], axis=-1) * scale
    rows = np.concatenate([path @ turn.T, angles], axis=1)
    rows = rows if change is None else change(rows)
    lines += ["MOTION", f"Frames: {len(rows)}", f"Frame Time: {1 / fps:.7f}"]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in rows]
    return "\n".join(lines) + "\n"


def write_bvh(path: Path, **how: object) -> Path:
    """``bvh_text`` in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(bvh_text(**how))  # type: ignore[arg-type]
    return path


def column(part: str, body: Body = BODY) -> int:
    """The first of the three angles of a part in a row of ``bvh_text``."""
    return 3 + 3 * list(body).index(part)


def with_rate(text: str, seconds: str) -> str:
    """The same file with another ``Frame Time``."""
    return re.sub(r"Frame Time: \S+", f"Frame Time: {seconds}", text)
