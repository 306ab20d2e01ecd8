from __future__ import annotations

import numpy as np
import pytest

from bench.data.inspect.stature import judge_stature
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton

SIZES = {"hip": 0.13, "knee": 0.44, "foot": 0.42, "ankle": 0.42, "neck/nose": 0.11, "head": 0.11, "headtop": 0.11}


def lengths(skeleton: Skeleton) -> np.ndarray:
    """``[bones]`` metres of a person of 1.64 m."""
    names = [skeleton.joints[child].lower() for _, child in skeleton.bones]
    return np.array([SIZES.get(name.lstrip("lr") if name[1:] in SIZES else name, 0.25) for name in names])


@pytest.mark.parametrize("skeleton", [HUMAN36M, MPI_INF_3DHP], ids=lambda skeleton: skeleton.name)
def test_people_are_as_tall_as_people(skeleton: Skeleton) -> None:
    body = lengths(skeleton)
    assert judge_stature(skeleton, ["a", "b"], np.stack([body, 0.5 * body]))[0] == "ok"
    verdict, line = judge_stature(skeleton, ["a", "b"], np.stack([body, body]))
    assert (verdict, line.split(";")[0]) == ("ok", "stature: 1.64 m (a) to 1.64 m (a)")
    for scale in (0.01, 0.4, 2.0):
        verdict, line = judge_stature(skeleton, ["a", "b"], np.stack([body, scale * body]))
        assert verdict == "problem"
        assert f"{1.6441 * scale:.2f} m (b)" in line


def test_a_skeleton_without_feet_is_not_judged() -> None:
    skeleton = Skeleton("hand", ("wrist", "thumb"), (-1, 0), (), (), 0)
    assert judge_stature(skeleton, ["a"], np.ones((1, 1)))[0] == "note"
