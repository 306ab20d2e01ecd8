"""The 17 joints of Human3.6M in the hierarchy of a BVH file.

What the joints mean follows Human3.6M's skeleton: the hip is the middle of both hip joints, the thorax the base of
the neck, "Neck/Nose" about half way from there to the top of the head, "Head" the top, the spine half way up the
trunk.
"""

from __future__ import annotations

from collections import abc
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from bench.data.bvh.format import Hierarchy
from bench.data.bvh.limbs import LIMBS, are_complete, limbs_by_name, limbs_by_shape, plain_names, toe_of
from bench.data.inspect.stature import SHARE
from models.errors import InputError
from models.skeleton import HUMAN36M

JOINTS = HUMAN36M.joints
NECK = ("neck", "neck0", "neck1", "neck01", "neckbase", "lowerneck", "neckx", "cneck")  # plain names
HEAD = ("head", "skull", "headx", "chead")
HEAD_TOP = ("top", "end", "nub", "tip")  # ends of the name of a joint on top of the head
HEAD_SHARE = 0.48  # of the trunk's length: from the thorax to the top of the head in Human3.6M
LOST_BONE = "lowerback"  # a plain name of the CMU database's skeleton, whose conversion by amc2bvh loses a bone
SHORT_TRUNK = 0.45  # of the length of the legs; less than that is no whole trunk, which has 0.5 and more


@dataclass(frozen=True)
class JointMap:
    """How the joints of Human3.6M follow from the nodes of a hierarchy.

    Attributes:
        hierarchy: of the file, with what it lacks: the uppermost bone of the trunk, the top of the head.
        weights: ``[17, N]`` of its nodes, or ``[19, N]`` with the tips of the left and the right foot as the last
            rows.
        stature, legs: of the body in the file's unit.
        guessed: joints that were not recognised by name nor given, and what each is taken from: "LHip = joint5".
        completed: the bone of the trunk was put back.
        neck_share: length from the thorax to the top of the head by that of the neck, to be used where the top
            turns out to lie elsewhere; None if the top was given.
    """

    hierarchy: Hierarchy
    weights: np.ndarray
    stature: float
    legs: float
    guessed: tuple[str, ...]
    completed: bool
    neck_share: float | None


def map_joints(hierarchy: Hierarchy, source: str, given: abc.Mapping[str, str]) -> JointMap:
    """Find the joints of Human3.6M in a file that error messages call ``source``.

    ``given`` has names of the file's joints for joints of ``JOINTS``, which go before any other finding.

    Raises:
        InputError: a given joint is not there, or a limb is neither recognised nor clear from the hierarchy.
    """
    plain = plain_names(hierarchy.names)
    fixed = {joint: _given_node(hierarchy, name, joint, source) for joint, name in given.items()}
    limbs = limbs_by_name(hierarchy, plain) | fixed
    guessed: tuple[str, ...] = ()
    if not are_complete(limbs, hierarchy):
        found = limbs_by_shape(hierarchy)
        if found is None:
            missing = ", ".join(joint for limb in LIMBS for joint in limb if joint not in limbs)
            raise InputError(
                f"{source}: {missing or 'a limb'} is neither among the known names nor clear from the hierarchy: "
                "name the joints in the option joints, as 'LHip=thigh_left, LKnee=…'"
            )
        limbs, guessed = found | fixed, tuple(joint for joint in found if joint not in fixed)
    body = _Body(hierarchy, plain, limbs)
    whole = body.with_chest_bone()
    if whole is not None:
        body = _Body(whole, plain, limbs)
    if body.head == body.chest and "Head" not in fixed:
        raise InputError(
            f"{source}: no joint lies above the arms: name the head in the option joints, as 'Head=…'"
        )
    if plain[body.head] not in HEAD and "Head" not in fixed:
        guessed = (*guessed, "Neck/Nose", "Head")
    tree, rows, neck_share = body.joints()
    rows |= {joint: np.eye(len(tree.names))[node] for joint, node in fixed.items()}
    places = {joint: _place(tree, row) for joint, row in rows.items()}
    legs = _legs(places)
    return JointMap(
        hierarchy=tree,
        weights=np.stack([*(rows[joint] for joint in JOINTS), *body.toes(len(tree.names))]),
        stature=(legs + _length(places, "Hip", "Spine", "Thorax", "Neck/Nose", "Head")) / SHARE,
        legs=legs,
        guessed=tuple(f"{joint} = {_in_words(tree, rows[joint])}" for joint in guessed),
        completed=whole is not None,
        neck_share=None if "Head" in fixed else neck_share,
    )


def _given_node(hierarchy: Hierarchy, name: str, joint: str, source: str) -> int:
    lower = [there.lower() for there in hierarchy.names]
    if name.lower() not in lower:
        raise InputError(
            f"{source} has no joint '{name}', which option joints gives for {joint}: correct the option"
        )
    return lower.index(name.lower())


def _in_words(hierarchy: Hierarchy, row: np.ndarray) -> str:
    """The nodes that a joint is taken from."""
    names = [hierarchy.names[node] for node in np.flatnonzero(row)]
    return names[0] if len(names) == 1 else f"between {' and '.join(names)}"


def _place(hierarchy: Hierarchy, row: np.ndarray) -> np.ndarray:
    """``[3]`` in the rest pose, of weights ``[N]``."""
    return (row[:, None] * hierarchy.rest).sum(axis=0)


def _length(places: abc.Mapping[str, np.ndarray], *joints: str) -> float:
    return sum(float(np.linalg.norm(places[one] - places[two])) for one, two in pairwise(joints))


def _legs(places: abc.Mapping[str, np.ndarray]) -> float:
    """From the hip to the ankle, the mean of both."""
    return (_length(places, "LHip", "LKnee", "LFoot") + _length(places, "RHip", "RKnee", "RFoot")) / 2


class _Body:
    """The joints between known limbs: spine, thorax, neck and head; each as weights ``[N]`` of the nodes."""

    def __init__(self, hierarchy: Hierarchy, plain: list[str], limbs: dict[str, int]) -> None:
        self.hierarchy, self.plain, self.limbs = hierarchy, plain, limbs
        self.at = np.eye(len(plain))  # whose rows are the weights of the nodes themselves
        self.chest = hierarchy.meeting(limbs["LShoulder"], limbs["RShoulder"])
        self.pelvis = hierarchy.meeting(limbs["LHip"], limbs["RHip"])
        chain = self._neck_chain()
        self.head = chain[-1]
        self.neck = next((node for node in chain if plain[node] in NECK), chain[0])
        self.thorax = self.at[self.neck] if self.neck != self.head else self._between_shoulders()

    def with_chest_bone(self) -> Hierarchy | None:
        """The hierarchy with the uppermost bone of the trunk, which conversions by amc2bvh lack.

        There, neck and collar bones begin where that bone begins, and the body is 12 cm short. The bone below it
        stands in for it: in CMU's own skeletons it is as long within 1 %.

        Returns:
            None if the bone is there.
        """
        tree, chest = self.hierarchy, self.chest
        above = [tree.above(self.limbs["LShoulder"]), tree.above(self.limbs["RShoulder"]), tree.above(self.head)]
        begins = [way[way.index(chest) - 1] for way in above if chest in way[1:]]
        if len(begins) < len(above) or tree.offsets[begins].any() or not tree.offsets[chest].any():
            return None
        places = {joint: _place(tree, self.at[node]) for joint, node in self.limbs.items()}
        trunk = np.linalg.norm(tree.rest[chest] - (places["LHip"] + places["RHip"]) / 2)
        if LOST_BONE not in self.plain and trunk > SHORT_TRUNK * _legs(places):
            return None
        offsets = tree.offsets.copy()
        offsets[begins] = offsets[chest]
        return replace(tree, offsets=offsets)

    def joints(self) -> tuple[Hierarchy, dict[str, np.ndarray], float]:
        """The hierarchy with the top of the head, weights of all 17 joints, and ``JointMap.neck_share``."""
        rows = {joint: self.at[node] for joint, node in self.limbs.items()}
        rows["Hip"] = (rows["RHip"] + rows["LHip"]) / 2
        rows["Thorax"], rows["Neck/Nose"] = self.thorax, self.at[self.head]
        rows["Spine"], trunk = self._spine(rows["Hip"])
        tree, thorax = self.hierarchy, _place(self.hierarchy, self.thorax)
        neck = tree.rest[self.head] - thorax
        length = float(np.linalg.norm(neck))
        share = max(HEAD_SHARE * trunk / length, 1.3) if length else 1.0
        end = self._head_end(neck)
        if end is None:  # above the head, as the trunk stands at rest; it turns with the head
            up = thorax - _place(tree, rows["Hip"])
            up /= max(float(np.linalg.norm(up)), 1e-9)
            up *= max(HEAD_SHARE * trunk - float(neck @ up), 0.3 * length)
            tree = tree.with_end(self.head, f"above {tree.names[self.head]}", up)
            rows = {joint: np.append(row, 0.0) for joint, row in rows.items()}
            end = len(tree.names) - 1
        return tree, rows | {"Head": np.eye(len(tree.names))[end]}, share

    def toes(self, nodes: int) -> list[np.ndarray]:
        """The tips of the left and the right foot, for their direction; none if a foot has none."""
        toes = [toe_of(self.hierarchy, self.limbs[foot]) for foot in ("LFoot", "RFoot")]
        return [np.eye(nodes)[toe] for toe in toes if toe is not None] if None not in toes else []

    def _neck_chain(self) -> list[int]:
        """From the first joint above the arms to the head."""
        tree, limbs = self.hierarchy, set(self.limbs.values())
        fallback: list[int] = []
        for ancestor in tree.above(self.chest):
            for child in tree.children[ancestor]:
                branch = tree.below(child)
                if not limbs.isdisjoint(branch):
                    continue
                heads = [node for node in branch if self.plain[node] in HEAD and not tree.ends[node]]
                if heads:
                    above = tree.above(heads[0])
                    return above[above.index(child) :: -1]
                chain = [node for node in tree.farthest(child) if not tree.ends[node]]
                if chain and (not fallback or tree.span[chain[0]] > tree.span[fallback[0]]):
                    fallback = chain
            if ancestor == self.pelvis or (fallback and ancestor == self.chest):
                break
        return fallback or [self.chest]

    def _between_shoulders(self) -> np.ndarray:
        """The middle of where the collar bones begin, or of the shoulders where there are none."""
        left, right = (self.hierarchy.above(self.limbs[joint]) for joint in ("LShoulder", "RShoulder"))
        begins = [above[above.index(self.chest) - 1] for above in (left, right)]
        return self.at[begins].mean(axis=0)

    def _spine(self, hip: np.ndarray) -> tuple[np.ndarray, float]:
        """Half way up the trunk, a joint if there is one near, and the trunk's length."""
        has_neck = self.neck != self.head
        top = self.neck if has_neck else self.chest
        above = self.hierarchy.above(top)
        between = above[: above.index(self.hierarchy.meeting(self.pelvis, top))][::-1]
        points = np.array([hip, *self.at[between], *([] if has_neck else [self.thorax])])
        places = np.array([_place(self.hierarchy, point) for point in points])
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))])
        half = along[-1] / 2
        nearest = int(np.abs(along - half).argmin())
        if abs(along[nearest] - half) < 0.15 * along[-1]:
            return points[nearest], float(along[-1])
        return np.array([np.interp(half, along, weights) for weights in points.T]), float(along[-1])

    def _head_end(self, neck: np.ndarray) -> int | None:
        """The node at the top of the head: one that continues the neck at rest and is far enough; else None."""
        tree, children = self.hierarchy, self.hierarchy.children[self.head]
        named = [node for node in children if self.plain[node].endswith(HEAD_TOP)]
        for node in [*named, *(node for node in children if tree.ends[node])]:
            bone = tree.offsets[node]
            if bone @ neck > 0.5 * np.linalg.norm(bone) * np.linalg.norm(neck) and bone @ bone > 0.1 * neck @ neck:
                return node
        return None
