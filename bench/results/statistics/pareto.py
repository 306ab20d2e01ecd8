"""Pareto fronts: of several quantities that are all better when lower, what no other point beats."""

from __future__ import annotations

from collections.abc import Sequence


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether ``one`` is nowhere higher than ``other``, and lower somewhere."""
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def pareto_front(points: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the points that no other one dominates, in ascending order of their coordinates.

    Lower is better everywhere. Equal points are on the front together.
    """
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda i: tuple(points[i])):
        # What dominates a point comes before it in this order, and something on the front dominates it then too.
        if not any(dominates(points[other], points[index]) for other in front):
            front.append(index)
    return front
