"""What ``data check`` knows is used where numbers are made."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.data import load
from bench.data.inspect.at_load import check_at_load
from bench.data.inspect.checks import check
from bench.data.layouts import LAYOUTS
from bench.data.sequence import Dataset, Sequence
from models.errors import InputError
from models.skeleton import HUMAN36M
from tests.bench.data import CMU
from tests.bench.data.mpi_inf_3dhp.mpi_files import write
from tests.hostile import check_sentence

Change = Callable[[Sequence], Sequence]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("synthetic", None, "cpn")


def changed(dataset: Dataset, change: Change, take: str = "") -> Dataset:
    train, test = (
        tuple(change(s) if take in s.take else s for s in part) for part in (dataset.train, dataset.test)
    )
    return replace(dataset, train=train, test=test)


def in_millimetres(s: Sequence) -> Sequence:
    return replace(s, pose_3d=s.pose_3d * 1000, trajectory=s.trajectory * 1000)


def normalised_twice(s: Sequence) -> Sequence:
    return replace(s, pose_2d=s.pose_2d * np.float32(2 / s.width) - np.float32(1))


def of_half_the_size(s: Sequence) -> Sequence:
    return replace(s, pose_2d=(s.pose_2d + 1) / 2 - 1)


def upside_down(s: Sequence) -> Sequence:
    return replace(s, pose_2d=s.pose_2d * np.float32([1, -1]))


def in_another_order(s: Sequence) -> Sequence:
    return replace(s, pose_2d=s.pose_2d[:, ::-1])


def in_coco_s_order(s: Sequence) -> Sequence:
    """Key points in the order of COCO, as detectors give them; eyes and ears are at the head."""
    points = LAYOUTS["coco"].points
    order = [HUMAN36M.joints.index(name if name in HUMAN36M.joints else "Head") for name in points]
    return replace(s, pose_2d=s.pose_2d[:, order])


def with_sides_exchanged(s: Sequence) -> Sequence:
    return replace(s, pose_2d=s.pose_2d[:, list(HUMAN36M.mirrored_order)])


def standing_on_heads(s: Sequence) -> Sequence:
    """A camera whose y axis points upwards, in all that is stored."""
    down = np.float32([1, -1, 1])
    signs = np.float32([1, 1, 1, -1, 1, 1, 1, -1, 1])  # of the centre and of the tangential term
    return replace(
        s,
        pose_2d=s.pose_2d * down[:2],
        pose_3d=s.pose_3d * down,
        trajectory=s.trajectory * down,
        intrinsics=s.intrinsics * signs,
    )


def behind_the_camera(s: Sequence) -> Sequence:
    return replace(s, trajectory=-s.trajectory)


def often_lost(s: Sequence) -> Sequence:
    return replace(s, pose_2d=np.where(np.arange(len(s))[:, None, None] % 5, s.pose_2d, np.float32(-1)))


def shifted(s: Sequence) -> Sequence:
    return replace(s, trajectory=s.trajectory + np.float32([0.14, 0.14, 0]))


def beginning(s: Sequence) -> Sequence:
    return replace(s, pose_2d=s.pose_2d[:10], pose_3d=s.pose_3d[:10], trajectory=s.trajectory[:10])


def without_a_number(s: Sequence) -> Sequence:
    return replace(s, pose_2d=np.full_like(s.pose_2d, np.nan))


def with_cameras_exchanged(dataset: Dataset) -> Dataset:
    parts = []
    for part in (dataset.train, dataset.test):
        order = [4 * (place // 4) + (place + 1) % 4 for place in range(len(part))]
        parts.append(tuple(replace(s, pose_2d=part[place].pose_2d) for s, place in zip(part, order, strict=True)))
    return replace(dataset, train=parts[0], test=parts[1])


def test_right_data_pass_unchanged(dataset: Dataset, tmp_path: Path) -> None:
    for data in (
        dataset,
        load("synthetic", None, "gt"),
        load("mpi_inf_3dhp", write(tmp_path, "univ_annot3", frames=12, views=1), "gt"),
    ):
        assert check_at_load(data, "here") is data


@pytest.mark.skipif(not CMU.is_dir(), reason=f"no files in {CMU}")
@pytest.mark.parametrize("detections", ["gt", "cpn"])
def test_real_motion_passes_unchanged(detections: str) -> None:
    data = load("human36m", CMU, detections)
    assert check_at_load(data, "here") is data


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (in_millimetres, "cameras: root .* are the 3D poses of .* in metres"),
        (behind_the_camera, "cameras: root .*, every joint at least -"),
        (normalised_twice, r"projection: .* they seem 0\.002 times as large"),
        (of_half_the_size, r"projection: .* they seem 0\.49 times as large"),
        (upside_down, "projection: .* y seems to point upwards"),
        (standing_on_heads, "upright: .* 0.0% of the frames.* y seems to point upwards, in 2D and in 3D"),
        (in_coco_s_order, "projection: .* joints in another order, or other cameras"),
        (in_another_order, "projection: .* joints in another order, or other cameras"),
        (without_a_number, "projection: .* a coordinate is NaN or infinite"),
        (with_sides_exchanged, "projection: .* left and right seem to be exchanged"),
        (often_lost, r"detections: all joints are in one place, .*\d frames of"),
    ],
)
def test_what_cannot_be_right_is_refused(dataset: Dataset, change: Change, words: str) -> None:
    with pytest.raises(InputError, match=rf"^data x in y, cpn detections: cannot be right \({words}") as caught:
        check_at_load(changed(dataset, change), "data x in y")
    check_sentence(caught.value)


def test_one_take_in_another_unit_is_named(dataset: Dataset) -> None:
    with pytest.raises(InputError, match="are the 3D poses of S5/Photo 1/.* in metres"):
        check_at_load(changed(dataset, in_millimetres, take="S5/Photo 1"), "here")


def test_odd_data_sets_of_other_packages_are_judged_by_what_they_have(dataset: Dataset) -> None:
    def without_frames_that_count(s: Sequence) -> Sequence:
        return replace(s, valid=np.zeros(len(s), dtype=bool))

    def of_one_joint(s: Sequence) -> Sequence:
        return replace(s, pose_2d=s.pose_2d[:, :1], pose_3d=s.pose_3d[:, :1])

    few = replace(dataset, train=dataset.train[:8], test=dataset.test[:4])
    empty = replace(few.test[0], pose_2d=few.test[0].pose_2d[:0], pose_3d=few.test[0].pose_3d[:0])
    point = replace(HUMAN36M, joints=("Hip",), parents=(-1,), left=(), right=())
    one_joint = replace(changed(few, of_one_joint), skeleton=point)
    for odd in (
        changed(few, without_frames_that_count),
        replace(few, test=(*few.test, empty)),
        replace(few, train=(), test=()),
        one_joint,
    ):
        assert check_at_load(odd, "here") is odd


def test_a_poor_detector_is_doubtful_and_not_refused(dataset: Dataset) -> None:
    def often_confused(s: Sequence) -> Sequence:
        turned = s.pose_2d[:, list(HUMAN36M.mirrored_order)]
        confused = np.random.default_rng(len(s)).random(len(s)) < 0.15
        return replace(s, pose_2d=np.where(confused[:, None, None], turned, s.pose_2d))

    (note,) = check_at_load(changed(dataset, often_confused), "here").notes
    assert note.startswith("Doubtful, by data check: sides: left and right of 2D agree with 3D in 8")


def test_exchanged_cameras_are_refused(dataset: Dataset) -> None:
    with pytest.raises(InputError, match="projection: .* other cameras, takes or frames"):
        check_at_load(with_cameras_exchanged(dataset), "here")


def test_it_says_what_the_check_says(dataset: Dataset) -> None:
    """Both look at all frames here."""
    few = replace(dataset, train=dataset.train[:8], test=dataset.test[:4])
    spoiled = changed(changed(few, beginning), upside_down)
    with pytest.raises(InputError) as caught:
        check_at_load(spoiled, "here")
    said = [line for verdict, line in check(spoiled) if verdict == "problem"]
    assert any(line in str(caught.value) for line in said)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (in_another_order, "projection: .*S9/Greeting"),
        (with_sides_exchanged, "sides: .*S9/Greeting"),
        (shifted, "shift: .* in takes S9/Greeting"),
        (
            lambda s: replace(s, trajectory=s.trajectory + np.float32([0.04, 0, 0])),
            "shift: .*in takes S9/Greeting",
        ),
        (often_lost, "detections: .*: S9/Greeting"),
    ],
)
def test_a_take_that_is_wrong_is_named_under_tables(dataset: Dataset, change: Change, words: str) -> None:
    found = check_at_load(changed(dataset, change, take="S9/Greeting"), "here")
    assert found.fingerprint == dataset.fingerprint
    matching = [note for note in found.notes if note.startswith("Doubtful, by data check: ")]
    (named,) = [note for note in matching if note.split(": ")[1] == words.split(":")[0]]
    assert "S9/Greeting" in named


def test_the_complete_set_is_checked_in_a_moment(dataset: Dataset) -> None:
    """2.1 million frames, as many as Human3.6M has in all its cameras."""

    def longer(s: Sequence) -> Sequence:
        rows = np.arange(2500) % len(s)
        return replace(s, pose_2d=s.pose_2d[rows], pose_3d=s.pose_3d[rows], trajectory=s.trajectory[rows])

    whole = changed(dataset, longer)
    assert sum(map(len, whole.train + whole.test)) > 2_000_000
    begin = time.process_time()
    check_at_load(whole, "here")
    assert time.process_time() - begin < 1.5, "0.3 s on a quiet machine"
