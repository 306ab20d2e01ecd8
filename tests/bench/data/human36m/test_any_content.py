"""Files of Human3.6M's layout with anything at any place: read, or refused in one short sentence."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.data import load
from bench.data.human36m.keypoints import METADATA
from bench.data.inspect.at_load import check_at_load
from bench.data.inspect.checks import check
from bench.data.inspect.describe import describe_dataset
from models.errors import InputError
from tests.bench.data.test_archive import boxed
from tests.hostile import check_sentence

FRAMES = 3
ARRAYS = [
    np.array(3.0), np.array("a"), np.array(None), np.empty((2, 17, 2), dtype=object), np.zeros((FRAMES, 16, 2)),
    np.zeros((FRAMES, 17, 2)), np.zeros((FRAMES, 32, 3)), np.full((FRAMES, 32, 3), np.iinfo("i8").min),
    np.full((FRAMES, 17, 2), 1e300), np.full((FRAMES, 17, 3), np.nan, dtype="f2"), np.zeros((0, 32, 3)),
    np.full((FRAMES, 32, 3), 9e8), np.full((FRAMES, 17, 2), 255, dtype="u1"), np.zeros((4, FRAMES, 17, 2), ">f4"),
]  # fmt: skip
LEAVES = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(max_size=3), st.sampled_from(ARRAYS), st.just(10**4000)
)
KEYS = st.sampled_from(["S1", "S9", "Walking", "Walking-1", "walking", "", "a" * 200, "b\n", 7, "layout_name"])
ODD = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.dictionaries(KEYS, inner, max_size=3), st.lists(inner, max_size=4)),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """All that both files hold, of the synthetic set."""
    data = load("synthetic", None, "cpn")
    sequences = [*data.train[:4], *data.test[:4]]
    takes = {"S1": {"Walking": sequences[:4]}, "S9": {"Walking": sequences[4:]}}
    pixels = {
        subject: {
            action: [((s.pose_2d[:FRAMES] + np.array([1, s.height / s.width])) * s.width / 2) for s in views]
            for action, views in actions.items()
        }
        for subject, actions in takes.items()
    }
    poses = {s: {"Walking": np.random.default_rng(0).normal((0, 0, 1), 0.3, (FRAMES, 32, 3))} for s in takes}
    return {"positions_3d": poses, "positions_2d": pixels, "metadata": METADATA}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a value may be replaced: every entry of every dict and list."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, below in inner for place in places(below, (*path, key))]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_anything_at_any_place(whole: dict[str, Any], tmp_path: Path, data: st.DataObject) -> None:
    content = copy.deepcopy(whole)
    *way, last = data.draw(st.sampled_from(places(content)))
    holder = content
    for key in way:
        holder = holder[key]
    holder[last] = data.draw(ODD)
    files = {"data_3d_h36m.npz": ["positions_3d"], "data_2d_h36m_gt.npz": ["positions_2d", "metadata"]}
    for name, keys in files.items():
        np.savez(tmp_path / name, **{key: boxed(content[key]) for key in keys})
    try:
        dataset = load("human36m", tmp_path, "gt")
    except InputError as error:
        check_sentence(error)
        return
    for sequence in dataset.train + dataset.test:
        assert np.isfinite(sequence.pose_2d).all()
        assert np.isfinite(sequence.pose_3d).all()
    assert all(line.isprintable() and len(line) < 2000 for _, line in check(dataset))
    assert all(line.isprintable() for line in describe_dataset(dataset))
    with pytest.raises(InputError, match="cannot be right") as refused:  # the 3D poses are noise
        check_at_load(dataset, "here")
    check_sentence(refused.value)
