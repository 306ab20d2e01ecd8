"""The 17 joints of Human3.6M in a BVH skeleton: recognised by name, else guessed from the hierarchy.

What the joints mean follows Human3.6M's skeleton: the hip is the middle of both hip joints, the thorax the base of
the neck, "Neck/Nose" about half way from there to the top of the head, "Head" the top, the spine half way up the
trunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bench.data.bvh.format import Hierarchy
from bench.data.bvh.joint_names import ARM, HEAD, HEAD_TOP, LEG, NECK, limb_joints, plain_names
from bench.data.bvh.limbs import Tree, guess_limbs
from models.errors import InputError

# as models.skeleton.HUMAN36M, which processes that read files need not load torch for
JOINTS = (
    "Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "Spine", "Thorax", "Neck/Nose", "Head",
    "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist",
)  # fmt: skip
LIMBS = tuple(tuple(side + part for part in limb) for side in "LR" for limb in (LEG, ARM))
HEAD_SHARE = 0.48  # of the trunk's length: from the thorax to the top of the head in Human3.6M
BODY_SHARE = 0.961  # of the stature: legs from the ankle, trunk, neck and head (Winter's proportions)
BONELESS = {  # chest joints and their children whose bone amc2bvh loses, beside a sign of that program's skeleton
    "Spine1": ("LowerBack", ("Neck", "LeftShoulder", "RightShoulder")),
    "thorax": ("lowerback", ("lowerneck", "lclavicle", "rclavicle")),
}


@dataclass(frozen=True)
class JointMap:
    """How the joints of Human3.6M follow from the nodes of a hierarchy.

    Attributes:
        nodes: indices of the nodes that are needed.
        weights: ``[17, len(nodes)]``, or ``[19, …]`` with the left and the right toes as the last rows.
        stature: of the body in the file's unit, from the lengths of its bones.
        report: for each of the 17 joints what it is taken from.
        guessed: joints that were not recognised by name nor given.
    """

    nodes: tuple[int, ...]
    weights: np.ndarray
    stature: float
    report: tuple[str, ...]
    guessed: tuple[str, ...]


def mended(hierarchy: Hierarchy) -> Hierarchy | None:
    """The hierarchy with the uppermost bone of the trunk that conversions of the CMU base by amc2bvh lack.

    There, neck and shoulders begin where that bone begins, and the body is 12 cm short. The bone below it is as
    long within 1 % in CMU's own skeletons, so it stands in for it.

    Returns:
        None if the hierarchy is no such conversion or has its bone.
    """
    for chest, (sign, children) in BONELESS.items():
        if not {chest, sign, *children} <= set(hierarchy.names):
            continue
        above, *below = (hierarchy.names.index(name) for name in (chest, *children))
        attached = all(hierarchy.parents[node] == above for node in below)
        if attached and not hierarchy.offsets[below].any() and hierarchy.offsets[above].any():
            offsets = hierarchy.offsets.copy()
            offsets[below] = offsets[above]
            return replace(hierarchy, offsets=offsets)
    return None


def map_joints(hierarchy: Hierarchy, source: str, given: Mapping[str, str]) -> JointMap:
    """Find the joints of Human3.6M.

    Args:
        hierarchy: of the file.
        source: what error messages call the file.
        given: names of the file's joints for joints of ``JOINTS``, which go before any guess.

    Raises:
        InputError: a given joint is not there, or a limb is neither recognised nor clear from the hierarchy.
    """
    tree, plain = Tree(hierarchy), plain_names(hierarchy.names)
    fixed = {joint: _named(hierarchy, name, joint, source) for joint, name in given.items()}
    joints = tuple(node for node, end in enumerate(hierarchy.ends) if not end)
    named = {joint: joints[place] for joint, place in limb_joints([plain[node] for node in joints]).items()}
    limbs = {**named, **fixed}
    guessed: tuple[str, ...] = ()
    if not _complete(limbs, tree):
        found = guess_limbs(tree, LEG, ARM)
        if found is None:
            missing = ", ".join(joint for limb in LIMBS for joint in limb if joint not in limbs)
            raise InputError(
                f"{source}: {missing or 'a limb'} is neither among the known names nor clear from the hierarchy: "
                "name the joints in the option joints, as 'LHip=thigh_left, LKnee=…'"
            )
        limbs = {**found, **fixed}
        guessed = tuple(joint for joint in found if joint not in fixed)
    body = _Body(hierarchy, tree, plain, limbs)
    if body.head == body.chest and "Head" not in fixed:
        raise InputError(
            f"{source}: no joint lies above the arms: name the head in the option joints, as 'Head=…'"
        )
    if plain[body.head] not in HEAD and "Head" not in fixed:
        guessed = (*guessed, "Neck/Nose", "Head")
    rows = {**body.rows(), **{joint: {node: 1.0} for joint, node in fixed.items()}}
    toes = body.toes()
    return _packed(hierarchy, rows, toes, body.stature(rows), guessed)


def _named(hierarchy: Hierarchy, name: str, joint: str, source: str) -> int:
    if joint not in JOINTS:
        raise InputError(f"option joints names '{joint}', which is none of {', '.join(JOINTS)}")
    lower = [there.lower() for there in hierarchy.names]
    if name.lower() not in lower:
        raise InputError(
            f"{source} has no joint '{name}', which option joints gives for {joint}: correct the option"
        )
    return lower.index(name.lower())


def _complete(limbs: Mapping[str, int], tree: Tree) -> bool:
    """Whether every limb is there and hangs together."""
    return all(
        all(joint in limbs for joint in limb)
        and limbs[limb[0]] in tree.above(limbs[limb[1]])[1:]
        and limbs[limb[1]] in tree.above(limbs[limb[2]])[1:]
        for limb in LIMBS
    )


Row = dict[int, float]  # weights of nodes


class _Body:
    """The joints between known limbs: spine, thorax, neck and head."""

    def __init__(self, hierarchy: Hierarchy, tree: Tree, plain: list[str], limbs: dict[str, int]) -> None:
        self.hierarchy, self.tree, self.plain, self.limbs = hierarchy, tree, plain, limbs
        self.rest = hierarchy.rest()
        self.chest = tree.meeting(limbs["LShoulder"], limbs["RShoulder"])
        self.pelvis = tree.meeting(limbs["LHip"], limbs["RHip"])
        chain = self._neck_chain()
        self.head = chain[-1]
        neck = next((node for node in chain if plain[node] in NECK), chain[0])
        self.thorax: Row = {neck: 1.0} if neck != self.head else self._between_shoulders()

    def rows(self) -> dict[str, Row]:
        """Weights of all 17 joints."""
        rows: dict[str, Row] = {joint: {node: 1.0} for joint, node in self.limbs.items() if joint in JOINTS}
        rows["Hip"] = {self.limbs["RHip"]: 0.5, self.limbs["LHip"]: 0.5}
        rows["Thorax"], rows["Neck/Nose"] = self.thorax, {self.head: 1.0}
        rows["Spine"], trunk = self._spine(rows["Hip"])
        rows["Head"] = self._head_top(trunk)
        return {joint: rows[joint] for joint in JOINTS}

    def toes(self) -> list[Row]:
        """Of the left and the right foot, for the direction of the feet; none if a foot has no further joint."""
        found: list[Row] = []
        for foot in (self.limbs["LFoot"], self.limbs["RFoot"]):
            further = [node for node in self.tree.farthest(foot)[1:] if self.tree.lengths[node] > 0]
            if not further:
                return []
            found.append({further[0]: 1.0})
        return found

    def stature(self, rows: Mapping[str, Row]) -> float:
        """From bones whose lengths do not change: shanks and thighs, trunk, neck and head."""
        lengths = self.tree.lengths

        def path(low: int, high: int) -> float:
            above = self.tree.above(low)
            return float(sum(lengths[node] for node in above[: above.index(high)])) if high in above else 0.0

        legs = [path(self.limbs[f"{side}Foot"], self.limbs[f"{side}Hip"]) for side in "LR"]
        _, trunk = self._spine(rows["Hip"])
        head = np.linalg.norm(self._place(rows["Head"]) - self._place(rows["Neck/Nose"]))
        neck = np.linalg.norm(self._place(rows["Neck/Nose"]) - self._place(rows["Thorax"]))
        return (sum(legs) / 2 + trunk + float(neck + head)) / BODY_SHARE

    def _place(self, row: Row) -> np.ndarray:
        place: np.ndarray = sum((weight * self.rest[node] for node, weight in row.items()), np.zeros(3))
        return place

    def _neck_chain(self) -> list[int]:
        """From the first joint above the arms to the head."""
        limbs = set(self.limbs.values())
        fallback: list[int] = []
        for ancestor in self.tree.above(self.chest):
            for child in self.tree.children[ancestor]:
                branch = self.tree.below(child)
                if not limbs.isdisjoint(branch):
                    continue
                heads = [node for node in branch if self.plain[node] in HEAD and not self.hierarchy.ends[node]]
                if heads:
                    above = self.tree.above(heads[0])
                    return above[above.index(child) :: -1]
                chain = [node for node in self.tree.farthest(child) if not self.hierarchy.ends[node]]
                if chain and (not fallback or self._span(chain) > self._span(fallback)):
                    fallback = chain
            if ancestor == self.pelvis or (fallback and ancestor == self.chest):
                break
        return fallback or [self.chest]

    def _span(self, chain: list[int]) -> float:
        return float(self.tree.lengths[chain[0]] + self.tree.reach[chain[0]])

    def _between_shoulders(self) -> Row:
        """The middle of where the collar bones begin, or of the shoulders where there are none."""
        begins = []
        for side in "LR":
            above = self.tree.above(self.limbs[f"{side}Shoulder"])
            begins.append(above[above.index(self.chest) - 1])
        return {begins[0]: 0.5, begins[1]: 0.5}

    def _spine(self, hip: Row) -> tuple[Row, float]:
        """Half way up the trunk, a joint if there is one near, and the trunk's length."""
        top = next(iter(self.thorax)) if len(self.thorax) == 1 else self.chest
        meeting = self.tree.meeting(self.pelvis, top)
        above = self.tree.above(top)
        points = [hip, *({node: 1.0} for node in above[: above.index(meeting)][::-1])]
        if len(self.thorax) > 1:
            points.append(self.thorax)
        places = np.array([self._place(point) for point in points])
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))])
        half = along[-1] / 2
        nearest = int(np.abs(along - half).argmin())
        if abs(along[nearest] - half) < 0.15 * along[-1]:
            return points[nearest], float(along[-1])
        after = int(np.searchsorted(along, half))
        share = (half - along[after - 1]) / (along[after] - along[after - 1]) if after else 0.0
        return _mixed(points[max(after - 1, 0)], points[after], share), float(along[-1])

    def _head_top(self, trunk: float) -> Row:
        """The end of the head, or a place beyond its joint on the line from the thorax."""
        neck = self.rest[self.head] - self._place(self.thorax)
        children = self.tree.children[self.head]
        named = [node for node in children if self.plain[node].endswith(HEAD_TOP)]
        for node in [*named, *(node for node in children if self.hierarchy.ends[node])]:
            bone = self.hierarchy.offsets[node]
            if bone @ neck > 0.5 * np.linalg.norm(bone) * np.linalg.norm(neck) and bone @ bone > 0.1 * neck @ neck:
                return {node: 1.0}
        length = float(np.linalg.norm(neck))
        return _mixed(self.thorax, {self.head: 1.0}, max(HEAD_SHARE * trunk / length, 1.3) if length else 1.0)


def _mixed(one: Row, two: Row, share: float) -> Row:
    """``share`` of the second and the rest of the first."""
    row = {node: (1 - share) * weight for node, weight in one.items()}
    for node, weight in two.items():
        row[node] = row.get(node, 0.0) + share * weight
    return row


def _packed(
    hierarchy: Hierarchy, rows: Mapping[str, Row], toes: list[Row], stature: float, guessed: tuple[str, ...]
) -> JointMap:
    every = [*rows.values(), *toes]
    nodes = tuple(sorted({node for row in every for node in row}))
    weights = np.zeros((len(every), len(nodes)))
    for place, row in enumerate(every):
        for node, weight in row.items():
            weights[place, nodes.index(node)] = weight
    report = tuple(_told(hierarchy, row) for row in rows.values())
    return JointMap(nodes, weights, stature, report, guessed)


def _told(hierarchy: Hierarchy, row: Row) -> str:
    names = [hierarchy.names[node] for node in row]
    if len(names) == 1:
        return names[0]
    if min(row.values()) < 0:
        return f"beyond {names[-1]}"
    return f"between {' and '.join(names)}"
