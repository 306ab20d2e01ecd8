from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.data import load
from bench.data.human36m.cameras import cameras
from bench.data.human36m.reader import Human36M
from bench.data.inspect.checks import check, checksums
from bench.data.mpi_inf_3dhp.reader import MPIInf3DHP
from bench.data.packing import Recording, pack
from bench.data.sequence import Dataset, Sequence
from bench.data.synthetic.reader import Synthetic
from models.errors import InputError
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton
from tests.bench.data import CMU

IN_MPI_ORDER = (10, 8, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6, 0, 7, 9)
FIRST_FRAMES = 60


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Two walkers in four cameras, with errors of a detector."""
    parts = []
    for subject in ("S1", "S9"):
        world, pixels = Synthetic().generate((subject, "Walking", 0), FIRST_FRAMES)
        views = tuple(pixels[:, camera] for camera in range(4))
        take = Recording(subject, "Walking", world.astype(np.float64), views, cameras(subject))
        parts.append(pack([take], fps=50.0))
    return Dataset("made", "made up", "cpn", HUMAN36M, *parts, "0" * 16)


def verdicts(dataset: Dataset) -> dict[str, str]:
    """Verdict by the word that each line begins with."""
    return {line.split(":")[0]: verdict for verdict, line in check(dataset)}


def changed(dataset: Dataset, change: Callable[[Sequence], Sequence], only: int | None = None) -> Dataset:
    test = [change(s) if only in (None, place) else s for place, s in enumerate(dataset.test)]
    return replace(dataset, test=tuple(test))


def test_a_good_set_has_no_problem(dataset: Dataset) -> None:
    assert set(verdicts(dataset).values()) == {"ok"}
    assert len(verdicts(dataset)) == 16


def half_lost(s: Sequence) -> Sequence:
    return replace(s, pose_2d=np.where(np.arange(len(s))[:, None, None] % 2, s.pose_2d, np.float32(-1)))


def in_millimetres(s: Sequence) -> Sequence:
    return replace(s, pose_3d=s.pose_3d * 1000, trajectory=s.trajectory * 1000)


def with_sides_exchanged(s: Sequence) -> Sequence:
    order = list(HUMAN36M.mirrored_order)
    return replace(s, pose_2d=s.pose_2d[:, order], pose_3d=s.pose_3d[:, order])


def with_2d_sides_exchanged(s: Sequence) -> Sequence:
    return replace(s, pose_2d=s.pose_2d[:, list(HUMAN36M.mirrored_order)])


def in_a_mirror(s: Sequence) -> Sequence:
    turn = np.float32([-1, 1, 1])
    return replace(
        s,
        pose_2d=s.pose_2d * turn[:2],
        pose_3d=s.pose_3d * turn,
        trajectory=s.trajectory * turn,
        intrinsics=s.intrinsics * np.float32([1, 1, -1, 1, 1, 1, 1, -1, 1]),
    )


def behind_the_camera(s: Sequence) -> Sequence:
    return replace(s, trajectory=s.trajectory - np.float32([0, 0, 6]))


def in_pixels(s: Sequence) -> Sequence:
    return replace(s, pose_2d=(s.pose_2d + 1) * 500)


def of_another_camera(s: Sequence) -> Sequence:
    return replace(s, pose_2d=s.pose_2d[:, :, ::-1] * np.float32(0.3))


def growing(s: Sequence) -> Sequence:
    return replace(s, pose_3d=s.pose_3d * np.linspace(0.8, 1.2, len(s), dtype=np.float32)[:, None, None])


def lame(s: Sequence) -> Sequence:
    pose = s.pose_3d.copy()
    pose[:, 6] = pose[:, 5] + 0.7 * (pose[:, 6] - pose[:, 5])
    return replace(s, pose_3d=pose)


def too_fast(s: Sequence) -> Sequence:
    return replace(s, fps=1000.0)


def without_a_number(s: Sequence) -> Sequence:
    return replace(s, pose_2d=np.where(np.arange(17)[:, None] == 3, np.float32(np.nan), s.pose_2d))


def certain(s: Sequence) -> Sequence:
    return replace(s, confidence=np.ones(s.pose_2d.shape[:2], dtype=np.float32))


def a_training_take(s: Sequence) -> Sequence:
    return replace(s, subject="S1")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (in_millimetres, "bones"),
        (in_millimetres, "cameras"),
        (half_lost, "detections"),
        (with_sides_exchanged, "facing"),
        (in_a_mirror, "facing"),
        (with_2d_sides_exchanged, "sides"),
        (behind_the_camera, "cameras"),
        (in_pixels, "images"),
        (of_another_camera, "projection"),
        (growing, "rigid"),
        (lame, "symmetric"),
        (too_fast, "time"),
        (without_a_number, "finite"),
        (certain, "confidence"),
        (a_training_take, "subjects"),
    ],
)
def test_what_is_wrong_is_a_problem(dataset: Dataset, change: Callable[[Sequence], Sequence], word: str) -> None:
    assert verdicts(changed(dataset, change))[word] == "problem"


def test_one_spoiled_sequence_is_found_and_named(dataset: Dataset) -> None:
    for change, word in ((of_another_camera, "projection"), (with_2d_sides_exchanged, "sides")):
        lines = [line for verdict, line in check(changed(dataset, change, only=2)) if verdict == "problem"]
        assert [line for line in lines if line.startswith(word) and "S9/Walking/58860488" in line]


def test_frames_that_do_not_count_are_not_judged(dataset: Dataset) -> None:
    counts = np.arange(FIRST_FRAMES) % 20 < 10

    def spoiled(s: Sequence) -> Sequence:
        pose = np.where(counts[:, None, None], s.pose_3d, s.pose_3d + np.float32(3) * s.pose_3d[::-1])
        return replace(s, pose_3d=pose, valid=counts)

    assert set(verdicts(changed(dataset, spoiled)).values()) == {"ok"}
    assert "problem" in verdicts(changed(dataset, lambda s: replace(spoiled(s), valid=None))).values()


def test_any_skeleton(dataset: Dataset) -> None:
    def reordered(s: Sequence) -> Sequence:
        order = list(IN_MPI_ORDER)
        return replace(s, pose_2d=s.pose_2d[:, order], pose_3d=s.pose_3d[:, order])

    def of(skeleton: Skeleton) -> Dataset:
        parts = (tuple(map(reordered, part)) for part in (dataset.train, dataset.test))
        return Dataset("made", "made up", "cpn", skeleton, *parts, "0" * 16)

    assert set(verdicts(of(MPI_INF_3DHP)).values()) == {"ok"}
    nameless = replace(MPI_INF_3DHP, joints=tuple(f"joint {number}" for number in range(17)))
    assert {word for word, verdict in verdicts(of(nameless)).items() if verdict != "ok"} == {"facing", "stature"}


def test_an_incomplete_set_is_a_note(dataset: Dataset) -> None:
    verdict, line = next(iter(check(dataset, Human36M.complete)))
    assert verdict == "note"
    assert line.endswith("the complete set has 1,559,752 and 543,344, so that results are called 'made up'")
    assert verdicts(changed(dataset, lambda s: replace(s, subject="S1", action="Eating")))["subjects"] == "note"
    noted = replace(dataset, notes=("one is missing",))
    assert next(iter(check(noted))) == ("note", "one is missing")


def test_lost_detections_are_named_and_do_not_count_elsewhere(dataset: Dataset) -> None:
    def few_lost(s: Sequence) -> Sequence:
        lost = np.isin(np.arange(len(s)), [3, 40, 41, 42])
        return replace(s, pose_2d=np.where(lost[:, None, None], np.float32(-1), s.pose_2d))

    lines = {line.split(":")[0]: (verdict, line) for verdict, line in check(changed(dataset, few_lost, only=1))}
    verdict, line = lines.pop("detections")
    assert verdict == "note"
    assert line.endswith("in 4 frames of 480: S9/Walking frames 3, 40-42 in 1 camera")
    assert {verdict for verdict, _ in lines.values()} == {"ok"}


def test_a_shifted_take_is_named(dataset: Dataset) -> None:
    def shifted(s: Sequence) -> Sequence:
        return replace(s, trajectory=s.trajectory + np.float32([0.1, 0.1, 0]))

    found = {line.split(":")[0]: (verdict, line) for verdict, line in check(changed(dataset, shifted))}
    assert found["projection"][0] == "ok"
    verdict, line = found["shift"]
    assert verdict == "note"
    assert "1.5% or more, or far more than is usual for the subject, in takes S9/Walking: " in line


def test_bones_may_change_as_the_published_annotation_does(dataset: Dataset) -> None:
    spoiled = changed(dataset, growing)
    for limit, expected in ((0.0, "problem"), (0.05, "problem"), (0.2, "note")):
        (verdict, line) = next(line for line in check(spoiled, changing=limit) if line[1].startswith("rigid"))
        assert verdict == expected, line
    assert MPIInf3DHP.changing > 41 / 411


def test_checksums_of_data_files(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"abc")
    (tmp_path / "film.mp4").write_bytes(b"long")
    (tmp_path / "folder.npz").mkdir()
    digest = hashlib.sha256(b"abc").hexdigest()
    assert list(checksums(tmp_path, (".npz", ".bvh"))) == [("ok", f"a.npz: 3 bytes, SHA-256 {digest}")]
    assert list(checksums(tmp_path / "a.npz", (".npz",))) == [("ok", f"a.npz: 3 bytes, SHA-256 {digest}")]
    for name in ("nowhere", "a" * 300):
        with pytest.raises(InputError, match="is not there"):
            list(checksums(tmp_path / name, (".npz",)))


@pytest.mark.skipif(not CMU.is_dir(), reason=f"no files in {CMU}")
@pytest.mark.parametrize("detections", ["gt", "cpn"])
def test_real_motion_has_no_problem(detections: str) -> None:
    assert "problem" not in verdicts(load("human36m", CMU, detections)).values()


def test_at_the_command_line(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> None:
    monkeypatch.setattr("bench.data.load", lambda *arguments: dataset)
    result = CliRunner().invoke(app, ["data", "check"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("ok      frames: 240 for training, 240 for testing, called 'made up'\n")
    monkeypatch.setattr("bench.data.load", lambda *arguments: changed(dataset, lame))
    result = CliRunner().invoke(app, ["data", "check"])
    assert result.exit_code == 1
    assert "problem symmetric: left and right bones differ by" in result.output
    described = CliRunner().invoke(app, ["data", "describe"])
    assert described.exit_code == 0
    assert described.output.startswith("made up (made), cpn detections")


@pytest.mark.parametrize(("name", "detections"), [("synthetic", "cpn"), ("mpi_inf_3dhp", "gt")])
def test_detections_are_those_that_the_data_set_has(
    monkeypatch: pytest.MonkeyPatch, dataset: Dataset, name: str, detections: str
) -> None:
    asked = []
    monkeypatch.setattr("bench.data.load", lambda *arguments: asked.append(arguments) or dataset)
    for command in ("check", "describe"):
        assert CliRunner().invoke(app, ["data", command, name]).exit_code == 0
    assert [arguments[2] for arguments in asked] == [detections] * 2


@pytest.mark.parametrize("command", ["describe", "check"])
def test_bad_input_at_the_command_line(command: str) -> None:
    for arguments, words in (
        (["humans"], "unknown data set 'humans'"),
        (["synthetic", "--set", "speed=2"], "unknown key 'data.options.speed'"),
        (["synthetic", "--set", "speed"], "is not of the form key=value"),
        (["synthetic", "--detections", "sh"], "has no 'sh' detections"),
        (["human36m", "--data-root", "nowhere"], "nowhere"),
    ):
        result = CliRunner().invoke(app, ["data", command, *arguments])
        assert result.exit_code == 2
        assert words in result.stderr
