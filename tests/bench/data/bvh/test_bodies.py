from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data.bvh.bodies import bodies_apart, same_unit
from bench.data.bvh.cache import read_clips
from bench.data.bvh.clip import UNITS, Clip, Settings, read_clip
from bench.data.bvh.takes import NamedFile
from tests.bench.data.bvh import BODY, write_bvh


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def in_unit(path: Path, unit: str, stature: float, **how: object) -> Path:
    """A body of so many metres in the unit."""
    return write_bvh(path, scale=0.01 / UNITS[unit] * stature / 1.69, **how)


def read(paths: list[Path]) -> dict[Path, Clip | str]:
    return same_unit(read_clips(paths, Settings()), Settings())


@pytest.mark.parametrize(("unit", "stature"), [("inch", 0.98), ("cm", 0.98)])
def test_files_of_one_rig_have_one_unit(tmp_path: Path, unit: str, stature: float) -> None:
    child = in_unit(tmp_path / "child.bvh", unit, stature)
    alone = read([child])[child]
    assert isinstance(alone, str) or alone.unit != unit  # taken for an adult in another unit, or for nobody
    adults = [in_unit(tmp_path / f"{number}.bvh", unit, 1.6 + 0.1 * number, seed=number) for number in range(3)]
    together = read([child, *adults])
    found = together[child]
    assert isinstance(found, Clip)
    assert (found.unit, round(found.stature, 1)) == (unit, 1.0)
    assert any("unit is that of the other files" in remark for remark in found.remarks)
    for path in adults:
        clip = together[path]
        assert isinstance(clip, Clip)
        assert clip.remarks == ()
        np.testing.assert_array_equal(clip.world, read_clip(path, Settings()).world)


def test_another_rig_or_another_size_keeps_its_unit(tmp_path: Path) -> None:
    adults = [in_unit(tmp_path / f"{number}.bvh", "cm", 1.7, seed=number) for number in range(3)]
    in_metres = in_unit(tmp_path / "metres.bvh", "m", 1.7)
    other_names = in_unit(tmp_path / "names.bvh", "inch", 0.98, names={"hips": "Root"})
    broken = tmp_path / "broken.bvh"
    broken.write_text("nothing")
    found = read([*adults, in_metres, other_names, broken])
    units = [clip.unit if isinstance(clip, Clip) else clip for clip in found.values()]
    assert units[:5] == ["cm", "cm", "cm", "m", "cmu"]
    assert "no BVH file" in units[5]


def test_bodies_of_different_sizes_are_several_people_unless_a_layout_says_who(tmp_path: Path) -> None:
    long_arms = BODY | {"lelbow": ("lshoulder", (31, 0, 0), "LeftForeArm")}
    paths = [write_bvh(tmp_path / f"{number}.bvh", seed=number) for number in range(3)]
    paths.insert(1, write_bvh(tmp_path / "other.bvh", body=long_arms))
    clips = {path: read_clip(path, Settings()) for path in paths}

    def subjects(told: bool, paths: list[Path]) -> tuple[list[str], list[str]]:
        files = [NamedFile(path, "anna", f"motion {path.stem}", told) for path in paths]
        found, notes = bodies_apart(files, clips)
        return [file.subject for file in found], notes

    assert subjects(False, paths[2:]) == (["anna", "anna"], [])
    names, (note,) = subjects(False, paths)
    assert names == ["anna", "anna-2", "anna", "anna"]
    assert "files of anna have 2 bodies, whose limbs are 5% apart or more: taken for subjects anna, anna-2" in note
    names, (note,) = subjects(True, paths)
    assert names == ["anna"] * 4
    assert "they may be several people" in note
