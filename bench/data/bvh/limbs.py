"""The hierarchy of a BVH file as a tree, and what its shape and lengths say about arms and legs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from bench.data.bvh.format import Hierarchy

ALIKE = 0.15  # greatest difference of the lengths of two limbs of a pair, as a share
APART = 0.35  # least distance of the shoulders, as a share of upper arm and forearm; collar bones begin nearer
MAX_CHILDREN = 40  # of a joint that may carry a pair of limbs


class Tree:
    """Ways through a hierarchy.

    Attributes:
        hierarchy: as given.
        children: of each node.
        lengths: ``[N]`` from each node's parent to it.
        reach: ``[N]`` from each node to its farthest descendant, along the bones.
        sizes: ``[N]`` nodes from each on downwards, itself included.
    """

    def __init__(self, hierarchy: Hierarchy) -> None:
        self.hierarchy = hierarchy
        self.children: list[list[int]] = [[] for _ in hierarchy.names]
        self.lengths = np.linalg.norm(hierarchy.offsets, axis=1)
        self.reach = np.zeros(len(hierarchy.names))
        self.sizes = np.ones(len(hierarchy.names), dtype=np.int64)
        for node in range(len(hierarchy.names) - 1, 0, -1):
            parent = hierarchy.parents[node]
            self.children[parent].insert(0, node)
            self.sizes[parent] += self.sizes[node]
            self.reach[parent] = max(self.reach[parent], self.lengths[node] + self.reach[node])

    def above(self, node: int) -> list[int]:
        """The node, its parent and so on to the root."""
        path = []
        while node >= 0:
            path.append(node)
            node = self.hierarchy.parents[node]
        return path

    def below(self, node: int) -> range:
        """The node and all its descendants, which follow it."""
        return range(node, node + int(self.sizes[node]))

    def meeting(self, one: int, two: int) -> int:
        """The lowest node that both are below, or are."""
        above = set(self.above(one))
        return next(node for node in self.above(two) if node in above)

    def farthest(self, node: int) -> list[int]:
        """The node, and the way to the descendant that is farthest along the bones."""
        path = [node]
        while self.children[path[-1]]:
            path.append(max(self.children[path[-1]], key=lambda child: self.lengths[child] + self.reach[child]))
        return path


def guess_limbs(tree: Tree, leg: tuple[str, ...], arm: tuple[str, ...]) -> dict[str, int] | None:
    """Arms and legs from the shape of the hierarchy alone.

    They are the two pairs of branches with the longest reach that are alike in size and length, the legs where the
    body begins. Within a branch, the two longest bones that follow each other, the first bone left out, are thigh
    and shank or upper arm and forearm. Left is what names say, else what is left of where the toes point.

    Args:
        tree: of the hierarchy.
        leg, arm: names of the three joints of a leg and of an arm, from the trunk outwards.

    Returns:
        Nodes by "L" or "R" and the name of a joint; None if there are no such pairs, or the sides stay unknown.
    """
    pairs = sorted(_pairs(tree), key=lambda pair: -pair[0])
    if not pairs:
        return None
    first = pairs[0]
    second = next((pair for pair in pairs if not _overlap(tree, first[2:], pair[2:])), None)
    if second is None:
        return None
    legs, arms = sorted((first, second), key=lambda pair: (len(tree.above(pair[1])), -pair[0]))
    result: dict[str, int] = {}
    legs_found: list[Limb] = []
    for joints, pair, apart in ((leg, legs, 0.0), (arm, arms, APART)):
        limbs = _limbs(tree, pair, apart)
        legs_found = legs_found or limbs
        side = limbs and (_side_by_name(tree, limbs) or _side_by_toes(tree, legs_found, limbs, pair[1]))
        if not side:
            return None
        for letter, limb in zip(side, limbs, strict=True):
            result |= {letter + joint: node for joint, node in zip(joints, limb, strict=True)}
    return result


Pair = tuple[float, int, int, int]  # reach, node, and the branches of a possible pair of limbs
Limb = tuple[int, int, int]


def _pairs(tree: Tree) -> Iterator[Pair]:
    for node, children in enumerate(tree.children):
        for one, two in combinations(children[:MAX_CHILDREN], 2):
            near, far = sorted(float(tree.lengths[child] + tree.reach[child]) for child in (one, two))
            few, many = sorted(int(tree.sizes[child]) for child in (one, two))
            if near > (1 - ALIKE) * far and 4 * few >= 3 * many:
                yield far, node, one, two


def _overlap(tree: Tree, one: tuple[int, ...], two: tuple[int, ...]) -> bool:
    return any(a in tree.below(b) or b in tree.below(a) for a in one for b in two)


def _limbs(tree: Tree, pair: Pair, apart: float) -> list[Limb]:
    """The two limbs of a pair, whose first joints are ``apart`` at least, as a share of their two bones."""
    ways = [
        [node for node in tree.farthest(branch) if tree.lengths[node] > 0.01 * tree.reach[branch]]
        for branch in pair[2:]
    ]
    rest = tree.hierarchy.rest()
    best: tuple[float, list[Limb]] = (0.0, [])
    for begin in range(min(map(len, ways)) - 2):
        limbs = [(way[begin], way[begin + 1], way[begin + 2]) for way in ways]
        bones = float(sum(tree.lengths[node] for limb in limbs for node in limb[1:])) / 2
        distance = float(np.linalg.norm(rest[limbs[0][0]] - rest[limbs[1][0]]))
        if bones > best[0] and distance >= apart * bones:
            best = bones, limbs
    return best[1]


def _side_by_name(tree: Tree, limbs: list[Limb]) -> str | None:
    told = []
    for limb in limbs:
        names = [tree.hierarchy.names[node].lower() for node in limb]
        letters = {
            letter for letter, word in (("L", "left"), ("R", "right")) if any(word in name for name in names)
        }
        told.append("".join(letters))
    return "".join(told) if told in (["L", "R"], ["R", "L"]) else None


def _side_by_toes(tree: Tree, legs: list[Limb], limbs: list[Limb], trunk: int) -> str | None:
    """ "LR" if the first limb is on the left of where the feet point, "RL" if on the right."""
    rest = tree.hierarchy.rest()
    feet = [leg[2] for leg in legs]
    toes = [next((node for node in tree.farthest(foot)[1:] if tree.lengths[node] > 0), None) for foot in feet]
    if None in toes:
        return None
    up = rest[trunk] - rest[feet].mean(axis=0)
    forward = np.mean([rest[toe] - rest[foot] for toe, foot in zip(toes, feet, strict=True)], axis=0)
    one, two = (rest[limb[0]] for limb in limbs)
    to_first = float(np.cross(up, forward) @ (one - two))
    scale = float(np.linalg.norm(up) * np.linalg.norm(forward) * np.linalg.norm(one - two))
    if abs(to_first) < 0.2 * scale or scale == 0:
        return None
    return "LR" if to_first > 0 else "RL"
