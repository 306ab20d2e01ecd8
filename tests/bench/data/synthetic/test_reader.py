from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.data import load
from bench.data.cameras import project
from bench.data.sequence import Dataset
from bench.data.synthetic import reader as synthetic
from bench.data.synthetic.actions import ACTIONS
from bench.data.synthetic.bodies import STATURE, body
from bench.data.synthetic.detector import SIGMA, detect
from bench.data.synthetic.kinematics import ELBOW_LIMITS, KNEE_LIMITS
from models.errors import InputError
from models.skeleton import HUMAN36M

FINGERPRINTS = {"gt": "f304f59476ab167f", "cpn": "13fba7422c36384b"}
KNEES = ((1, 2, 3), (4, 5, 6))
ELBOWS = ((11, 12, 13), (14, 15, 16))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def exact(folder: Path) -> Dataset:
    return load("synthetic", None, "gt")


@pytest.fixture(scope="module")
def noisy(exact: Dataset) -> Dataset:
    return load("synthetic", None, "cpn")


@pytest.fixture(scope="module")
def world(exact: Dataset) -> dict[synthetic.Name, np.ndarray]:
    ends = np.cumsum(list(synthetic.schedule().values()))[:-1]
    with np.load(synthetic.cache_file()) as archive:
        takes = np.split(archive["world"].astype(np.float64), ends)
    return dict(zip(synthetic.schedule(), takes, strict=True))


def flexion(poses: np.ndarray, limb: tuple[int, int, int]) -> np.ndarray:
    a, b, c = limb
    first, second = poses[:, b] - poses[:, a], poses[:, c] - poses[:, b]
    cosine = (first * second).sum(-1) / np.linalg.norm(first, axis=-1) / np.linalg.norm(second, axis=-1)
    return np.arccos(np.clip(cosine, -1, 1))


def test_split_size_and_names(exact: Dataset) -> None:
    assert {sequence.subject for sequence in exact.train} == {"S1", "S5", "S6", "S7", "S8"}
    assert {sequence.subject for sequence in exact.test} == {"S9", "S11"}
    assert len(ACTIONS) == 15
    assert len(exact.train) + len(exact.test) == 7 * 15 * 2 * 4
    assert {sequence.action for sequence in exact.test} == set(ACTIONS) | {f"{action} 1" for action in ACTIONS}
    frames = sum(map(len, exact.train + exact.test))
    assert 100_000 < frames < 150_000
    assert "3.6" not in exact.label


def test_every_number_is_the_same_everywhere(exact: Dataset, noisy: Dataset) -> None:
    assert exact.fingerprint == FINGERPRINTS["gt"]
    assert noisy.fingerprint == FINGERPRINTS["cpn"]


def test_a_take_does_not_depend_on_what_else_is_generated(world: dict[synthetic.Name, np.ndarray]) -> None:
    name = ("S8", "Phoning", 1)
    again, detections = synthetic.generate(name, synthetic.schedule()[name])
    assert again.tobytes() == world[name].astype(np.float32).tobytes()
    assert detections.tobytes() == synthetic.generate(name, synthetic.schedule()[name])[1].tobytes()


def test_the_cache_serves_and_repairs_itself(exact: Dataset, folder: Path) -> None:
    path = synthetic.cache_file()
    assert path.parent == folder
    assert [file.name for file in folder.iterdir()] == [path.name]
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-5000] + bytes(1000) + whole[-4000:]):
        path.write_bytes(damaged)
        assert load("synthetic").fingerprint == exact.fingerprint
        assert path.read_bytes() == whole


def test_works_where_nothing_can_be_written(
    exact: Dataset, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "file" / "below"))
    assert load("synthetic").fingerprint == exact.fingerprint


def test_gt_is_the_projection_of_the_motion(exact: Dataset) -> None:
    for sequence in exact.test[::7]:
        seen = project(sequence.pose_3d + sequence.trajectory[:, None], sequence.intrinsics)
        assert np.abs(seen - sequence.pose_2d).max() * sequence.width / 2 < 2e-3
        assert not sequence.pose_3d[:, 0].any()


def test_people_stay_in_view(exact: Dataset) -> None:
    screen = np.concatenate([sequence.pose_2d for sequence in exact.train + exact.test])
    depth = np.concatenate([(s.pose_3d[..., 2] + s.trajectory[:, None, 2]) for s in exact.train + exact.test])
    assert (np.abs(screen) > 1).mean() < 1e-3
    assert np.abs(screen).max() < 1.3
    assert depth.min() > 2
    assert depth.max() < 8


def test_bones_are_constant_within_a_person_and_differ_between(world: dict[synthetic.Name, np.ndarray]) -> None:
    parents, children = np.array(HUMAN36M.bones).T
    means = []
    for subject in STATURE:
        poses = np.concatenate([take for name, take in world.items() if name[0] == subject])
        lengths = np.linalg.norm(poses[:, children] - poses[:, parents], axis=-1)
        assert np.ptp(lengths, axis=0).max() < 1e-4
        means.append(lengths.mean(axis=0))
        np.testing.assert_allclose(
            means[-1][[1, 4]], body(subject, synthetic.population(subject)).thigh, atol=1e-4
        )
    assert (np.std(means, axis=0) > 0.002).all()


def test_knees_and_elbows_keep_their_limits(world: dict[synthetic.Name, np.ndarray]) -> None:
    poses = np.concatenate(list(world.values()))
    for limbs, (least, most) in ((KNEES, KNEE_LIMITS), (ELBOWS, ELBOW_LIMITS)):
        for limb in limbs:
            angles = flexion(poses, limb)
            assert angles.min() > least - 0.01
            assert angles.max() < most + 0.01


def test_knees_bend_forward(world: dict[synthetic.Name, np.ndarray]) -> None:
    for name, poses in world.items():
        if not name[1].startswith("Walk"):
            continue
        across = poses[:, 4] - poses[:, 1]
        forward = np.stack([across[:, 1], -across[:, 0], 0 * across[:, 0]], axis=-1)
        for hip, knee, ankle in KNEES:
            line = poses[:, ankle] - poses[:, hip]
            share = ((poses[:, knee] - poses[:, hip]) * line).sum(-1) / (line * line).sum(-1)
            bulge = poses[:, knee] - poses[:, hip] - share[:, None] * line
            assert ((bulge * forward).sum(-1) > 0).all(), name


def test_nobody_sinks_floats_or_jerks(world: dict[synthetic.Name, np.ndarray]) -> None:
    for name, poses in world.items():
        ankle = body(name[0], synthetic.population(name[0])).ankle
        lowest = poses[:, [3, 6], 2].min(axis=1)
        assert lowest.min() > 0.4 * ankle, name
        assert lowest.max() < ankle + (0.12 if poses[:, 0, 2].min() < 0.6 else 0.05), (
            name
        )  # who sits may lift both
        acceleration = np.linalg.norm(np.diff(poses, 2, axis=0), axis=-1) * 50**2
        assert acceleration.max() < 200, name
        assert np.linalg.norm(np.diff(poses, axis=0), axis=-1).max() * 50 < 7, name


def test_standing_feet_do_not_slide(world: dict[synthetic.Name, np.ndarray]) -> None:
    for name, poses in world.items():
        if name[1] == "Directions":
            speed = np.linalg.norm(np.diff(poses[:, [3, 6], :2], axis=0), axis=-1).min(axis=1) * 50
            assert np.median(speed) < 0.02, name


def test_poses_vary(exact: Dataset) -> None:
    train = np.concatenate([sequence.pose_3d for sequence in exact.train])
    test = np.concatenate([sequence.pose_3d for sequence in exact.test])
    assert np.linalg.norm(test - train.mean(axis=0), axis=-1).mean() > 0.15
    hips = [sequence.pose_3d[..., 1].max(axis=1).mean() for sequence in exact.test]  # above the lowest joint
    assert np.std(hips) > 0.15


def test_detector_noise(exact: Dataset, noisy: Dataset) -> None:
    error = np.concatenate(
        [
            (b.pose_2d - a.pose_2d) * (a.width / 2)
            for a, b in zip(exact.train + exact.test, noisy.train + noisy.test, strict=True)
        ]
    )
    size = np.linalg.norm(error, axis=-1)
    assert 5.5 < np.median(size) < 7
    assert 7 < size.mean() < 9
    assert 0.008 < (size > 35).mean() < 0.02
    np.testing.assert_allclose(np.median(size, axis=0) / (1.1774 * SIGMA), 1, atol=0.06)
    usual = size < 20
    both = usual[1:, 0] & usual[:-1, 0]
    correlation = np.corrcoef(error[1:, 0, 0][both], error[:-1, 0, 0][both])[0, 1]
    assert 0.55 < correlation < 0.75


def test_exchanges_swap_whole_limbs() -> None:
    pixels = np.broadcast_to(np.linspace(0, 10_000, 17)[:, None], (20_000, 17, 2))
    found = detect(np.random.default_rng(0), pixels)
    nearest = np.abs(found[..., 0, None] - pixels[0, :, 0]).argmin(axis=-1)
    swapped = nearest[:, 4] == 1
    assert 0.001 < swapped.mean() < 0.02
    assert (nearest[swapped][:, [5, 6]] == [2, 3]).mean() > 0.99


def test_unknown_detections() -> None:
    with pytest.raises(InputError, match="no 'hrnet' detections: set them to one of gt, cpn"):
        load("synthetic", None, "hrnet")
