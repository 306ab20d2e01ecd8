"""Where the joints of a BVH file are in every frame: forward kinematics, vectorised over frames."""

from __future__ import annotations

import numpy as np

from bench.data.bvh.format import Hierarchy, Motion

CHUNK = 2**19  # numbers of all arrays together, so that they stay in the processor's cache


def joint_positions(motion: Motion, nodes: tuple[int, ...], weights: np.ndarray, rows: slice) -> np.ndarray:
    """Weighted sums of node positions.

    A joint is turned by the product of its rotation channels in the order of the file, on top of its parent.

    Args:
        motion: of the file.
        nodes: indices of the hierarchy.
        weights: ``[J, len(nodes)]``; the identity for the nodes themselves.
        rows: frames.

    Returns:
        ``[T, J, 3]`` float64 in the file's unit and axes.
    """
    values = motion.values[rows]
    needed = _ancestors(motion.hierarchy, nodes)
    result = np.empty((len(values), len(weights), 3))
    step = max(CHUNK // (12 * len(needed)), 1)
    for begin in range(0, len(values), step):
        chunk = np.ascontiguousarray(values[begin : begin + step].T)
        placed = _forward(motion, needed, chunk)
        stacked = np.stack([placed[node] for node in nodes])
        result[begin : begin + step] = np.einsum("jn,nct->tjc", weights, stacked)
    return result


def _ancestors(hierarchy: Hierarchy, nodes: tuple[int, ...]) -> list[int]:
    """The nodes and all above them, in order."""
    needed: set[int] = set()
    for start in nodes:
        node = start
        while node >= 0 and node not in needed:
            needed.add(node)
            node = hierarchy.parents[node]
    return sorted(needed)


def _forward(motion: Motion, needed: list[int], values: np.ndarray) -> dict[int, np.ndarray]:
    """Places ``[3, T]`` of the needed nodes for channels ``[C, T]``.

    A node's orientation is kept as its three axes ``[3, 3, T]``; turning it about one of them mixes the other two.
    """
    hierarchy, frames = motion.hierarchy, values.shape[1]
    first = np.cumsum([0, *map(len, hierarchy.channels)])
    above = {hierarchy.parents[node] for node in needed}
    axes = {-1: np.broadcast_to(np.eye(3)[:, :, None], (3, 3, frames))}
    places = {-1: np.zeros((3, frames))}
    for node in needed:
        parent = hierarchy.parents[node]
        shift: list[float | np.ndarray] = list(hierarchy.offsets[node])
        for column, (kind, axis) in enumerate(hierarchy.channels[node], first[node]):
            if kind == "position":
                shift[axis] = values[column] + (shift[axis] if motion.adds_offsets and node > 0 else 0.0)
        turned = axes[parent]
        places[node] = places[parent] + turned[0] * shift[0] + turned[1] * shift[1] + turned[2] * shift[2]
        if node not in above:
            continue
        turned = turned.copy()
        for column, (kind, axis) in enumerate(hierarchy.channels[node], first[node]):
            if kind == "rotation" and values[column].any():
                angle = np.radians(values[column])
                cos, sin, one, two = np.cos(angle), np.sin(angle), (axis + 1) % 3, (axis + 2) % 3
                turned[one], turned[two] = (
                    cos * turned[one] + sin * turned[two],
                    cos * turned[two] - sin * turned[one],
                )
        axes[node] = turned
    return places
