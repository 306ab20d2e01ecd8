from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from baselines.tcn import TCN
from bench.data import load
from bench.data.cameras.camera import project
from bench.data.inspect.describe import describe_dataset
from bench.data.left_out import without_takes
from bench.data.sequence import Dataset
from bench.data.splits import split_validation, validation_rule
from bench.data.synthetic.actions import ACTIONS
from bench.data.synthetic.detector import PERSON, SIGMA, detect, detect_in_proportion, size_in_image
from bench.data.synthetic.kinematics import ELBOW_LIMITS, KNEE_LIMITS
from bench.data.synthetic.people import ModelledPeople, Name
from bench.data.synthetic.population import Population
from bench.data.synthetic.reader import Synthetic
from bench.job.weights import check_lengths
from models.errors import InputError
from models.skeleton import HUMAN36M

FINGERPRINTS = {
    "synthetic": {"gt": "f304f59476ab167f", "cpn": "13fba7422c36384b"},
    "population": {"gt": "9cee2d10ec14aae5", "cpn": "9e0e7942d46f6c51"},
}
KNEES = ((1, 2, 3), (4, 5, 6))
ELBOWS = ((11, 12, 13), (14, 15, 16))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module", params=[Synthetic(), Population()], ids=lambda reader: reader.name)
def people(request: pytest.FixtureRequest) -> ModelledPeople:
    reader: ModelledPeople = request.param
    return reader


@pytest.fixture(scope="module")
def exact(people: ModelledPeople, folder: Path) -> Dataset:
    return load(people.name, None, "gt")


@pytest.fixture(scope="module")
def noisy(people: ModelledPeople, exact: Dataset) -> Dataset:
    return load(people.name, None, "cpn")


@pytest.fixture(scope="module")
def world(people: ModelledPeople, exact: Dataset) -> dict[Name, np.ndarray]:
    ends = np.cumsum(list(people.schedule().values()))[:-1]
    with np.load(people.cache_file()) as archive:
        takes = np.split(archive["world"].astype(np.float64), ends)
    return dict(zip(people.schedule(), takes, strict=True))


def flexion(poses: np.ndarray, limb: tuple[int, int, int]) -> np.ndarray:
    a, b, c = limb
    first, second = poses[:, b] - poses[:, a], poses[:, c] - poses[:, b]
    cosine = (first * second).sum(-1) / np.linalg.norm(first, axis=-1) / np.linalg.norm(second, axis=-1)
    return np.arccos(np.clip(cosine, -1, 1))


def test_seven_people_and_their_split(folder: Path) -> None:
    data = load("synthetic", None, "gt")
    assert {sequence.subject for sequence in data.train} == {"S1", "S5", "S6", "S7", "S8"}
    assert {sequence.subject for sequence in data.test} == {"S9", "S11"}
    assert len(ACTIONS) == 15
    assert len(data.train) + len(data.test) == 7 * 15 * 2 * 4
    assert {sequence.action for sequence in data.test} == set(ACTIONS) | {f"{action} 1" for action in ACTIONS}
    assert data.validation == ()


def test_a_population_and_its_split(folder: Path) -> None:
    data = load("population", None, "gt")
    fitted, held_out = split_validation(data.train, 10, data.validation)
    people = [{sequence.subject for sequence in part} for part in (fitted, held_out, data.test)]
    assert list(map(len, people)) == [12, 4, 20]
    assert not people[0] & people[1] | people[0] & people[2] | people[1] & people[2]
    for part in (fitted, held_out, data.test):
        assert {sequence.action_class for sequence in part} == set(ACTIONS)
    assert validation_rule(data.train, 10, data.validation) == "all takes of P13, P14, P15, P16"


def test_a_draw_has_other_test_people_and_none_to_train_on(folder: Path) -> None:
    usual, drawn, other = (
        load("population", None, "gt", {"draw": number} if number else {}) for number in (0, 1, 2)
    )
    people = [{one.subject for one in data.test} for data in (usual, drawn, other)]
    assert [len(of_set) for of_set in people] == [20, 20, 20]
    assert not people[0] & people[1] | people[1] & people[2] | {one.subject for one in usual.train} & people[1]
    assert drawn.train == ()
    assert usual.fingerprint == load("population", None, "gt").fingerprint
    assert len({usual.fingerprint, drawn.fingerprint, other.fingerprint}) == 3
    assert not any("mean training pose" in line for line in describe_dataset(drawn))
    take = drawn.test[0].take
    assert take not in {one.take for one in without_takes(drawn, [take]).test}
    with pytest.raises(InputError, match="data 'population': has no training sequence"):
        check_lengths(drawn, TCN(TCN.presets["tiny"].config))
    with pytest.raises(InputError, match="draw"):
        load("population", None, "gt", {"draw": -1})


def test_size_and_label(exact: Dataset) -> None:
    assert 140_000 < sum(map(len, exact.train + exact.test)) < 150_000
    assert "3.6" not in exact.label


def test_every_number_is_the_same_everywhere(people: ModelledPeople, exact: Dataset, noisy: Dataset) -> None:
    assert FINGERPRINTS[people.name] == {"gt": exact.fingerprint, "cpn": noisy.fingerprint}


def test_a_take_does_not_depend_on_what_else_is_generated(
    people: ModelledPeople, world: dict[Name, np.ndarray]
) -> None:
    name = list(world)[-5]
    again, detections = people.generate(name, people.schedule()[name])
    assert again.tobytes() == world[name].astype(np.float32).tobytes()
    assert detections.tobytes() == people.generate(name, people.schedule()[name])[1].tobytes()


def test_the_cache_serves_and_repairs_itself(folder: Path) -> None:
    people, data = Synthetic(), load("synthetic")
    path = people.cache_file()
    assert path.parent == folder
    assert path.name in [file.name for file in folder.iterdir()]
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-5000] + bytes(1000) + whole[-4000:]):
        path.write_bytes(damaged)
        assert load("synthetic").fingerprint == data.fingerprint
        assert path.read_bytes() == whole


def test_works_where_nothing_can_be_written(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load("synthetic")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "file" / "below"))
    assert load("synthetic").fingerprint == data.fingerprint


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


def test_bones_are_constant_within_a_person_and_differ_between(
    people: ModelledPeople, world: dict[Name, np.ndarray]
) -> None:
    parents, children = np.array(HUMAN36M.bones).T
    means = []
    for subject in (*people.train_subjects, *people.test_subjects):
        poses = np.concatenate([take for name, take in world.items() if name[0] == subject])
        lengths = np.linalg.norm(poses[:, children] - poses[:, parents], axis=-1)
        assert np.ptp(lengths, axis=0).max() < 1e-4
        means.append(lengths.mean(axis=0))
        np.testing.assert_allclose(means[-1][[1, 4]], people.person(subject).body.thigh, atol=1e-4)
    assert (np.std(means, axis=0) > 0.002).all()


def test_knees_and_elbows_keep_their_limits(world: dict[Name, np.ndarray]) -> None:
    poses = np.concatenate(list(world.values()))
    for limbs, (least, most) in ((KNEES, KNEE_LIMITS), (ELBOWS, ELBOW_LIMITS)):
        for limb in limbs:
            angles = flexion(poses, limb)
            assert angles.min() > least - 0.01
            assert angles.max() < most + 0.01


def test_knees_bend_forward(world: dict[Name, np.ndarray]) -> None:
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


def test_nobody_sinks_floats_or_jerks(people: ModelledPeople, world: dict[Name, np.ndarray]) -> None:
    for name, poses in world.items():
        ankle = people.person(name[0]).body.ankle
        lowest = poses[:, [3, 6], 2].min(axis=1)
        assert lowest.min() > 0.4 * ankle, name
        assert lowest.max() < ankle + (0.12 if poses[:, 0, 2].min() < 0.6 else 0.055), (
            name
        )  # who sits may lift both
        acceleration = np.linalg.norm(np.diff(poses, 2, axis=0), axis=-1) * 50**2
        assert acceleration.max() < 200, name
        assert np.linalg.norm(np.diff(poses, axis=0), axis=-1).max() * 50 < 7, name


def test_standing_feet_do_not_slide(world: dict[Name, np.ndarray]) -> None:
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


def test_errors_are_for_people_of_the_population_s_size(people: ModelledPeople, exact: Dataset) -> None:
    sizes = [size_in_image(s.pose_2d * (s.width / 2)) for s in exact.train + exact.test]
    assert np.median(sizes) == pytest.approx(PERSON, rel=0.001 if people.name == "population" else 0.05)


def test_errors_are_as_large_as_the_person() -> None:
    pixels = np.random.default_rng(1).uniform(300, 700, (200, 17, 2))
    usual = pixels * PERSON / size_in_image(pixels)
    expected = detect(np.random.default_rng(0), usual)
    for scale in (0.2, 1, 3):
        found = detect_in_proportion(np.random.default_rng(0), usual * scale)
        np.testing.assert_allclose(found, expected * scale, rtol=1e-9)


def test_exchanges_swap_whole_limbs() -> None:
    pixels = np.broadcast_to(np.linspace(0, 10_000, 17)[:, None], (20_000, 17, 2))
    found = detect(np.random.default_rng(0), pixels)
    nearest = np.abs(found[..., 0, None] - pixels[0, :, 0]).argmin(axis=-1)
    swapped = nearest[:, 4] == 1
    assert 0.001 < swapped.mean() < 0.02
    assert (nearest[swapped][:, [5, 6]] == [2, 3]).mean() > 0.99


def test_unknown_detections() -> None:
    told = r"no 'hrnet' detections: set them to one of gt, cpn \(--set data\.detections=gt\)"
    with pytest.raises(InputError, match=told):
        load("synthetic", None, "hrnet")
