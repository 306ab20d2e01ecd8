from __future__ import annotations

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.data import load
from bench.data.bvh import cache as clip_cache
from bench.data.bvh import takes
from bench.data.bvh.clip import Clip, Settings, read_clip
from bench.data.cameras.camera import project
from bench.data.inspect.at_load import check_at_load
from bench.data.sequence import Dataset
from models.errors import InputError
from tests.bench.data.bvh import CMU_BVH, bvh_text, write_bvh


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bvh"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three subjects with two takes each, as the public conversion of the CMU database lays them out."""
    for subject in ("001", "002", "010"):
        for take in (1, 2):
            write_bvh(tmp_path / "base" / subject / f"{subject[1:]}_0{take}.bvh", seed=int(subject) + take)
    (tmp_path / "index.txt").write_text(
        "Subject #1 (climb)\n01_01\twalk, veer left\n01_02\tplayground - forward jumps\n02_01 run/jog\n"
        "02_02\twalk\n10_01\tkick soccer ball\n10_02\tWalk (slow)\n99_99\tnothing\n"
    )
    return tmp_path / "base"


def read(root: Path, detections: str = "gt", **options) -> Dataset:
    return load("bvh", root, detections, options)


def test_folders_are_subjects_and_the_index_names_actions(tree: Path) -> None:
    dataset = read(tree, index=str(tree.parent / "index.txt"), test="010")
    assert [sequence.key for sequence in dataset.train[::4]] == [
        "001/walk 01_01/V1", "001/playground 01_02/V1", "002/run 02_01/V1", "002/walk 02_02/V1",
    ]  # fmt: skip
    assert {sequence.action_class for sequence in dataset.test} == {"kick-soccer-ball", "walk"}
    assert {sequence.subject for sequence in dataset.test} == {"010"}
    assert "split by subject: test subjects 010" in dataset.notes


def test_one_file_is_trained_on_and_tested(tmp_path: Path) -> None:
    path = write_bvh(tmp_path / "base" / "walk.bvh", frames=120)
    for root in (path, path.parent):
        dataset = read(root)
        takes = [*dataset.train[::4], *dataset.test[::4]]
        assert [take.action for take in takes] == [f"motion walk-{part}" for part in ("begin", "middle", "end")]
        assert ([len(take) for take in takes], len(dataset.test)) == ([20, 20, 20], 4)
        assert any(note.startswith("one take only: its last third tests") for note in dataset.notes)
        for command in ("check", "describe"):
            result = CliRunner().invoke(app, ["data", command, "bvh", "--data-root", str(root)])
            assert result.exit_code == 0, result.output
    single = write_bvh(tmp_path / "one frame.bvh", frames=1)
    with pytest.raises(InputError, match="1 frames are too few"):
        read(single)


def test_one_subject_is_split_by_take_and_says_so(tmp_path: Path) -> None:
    for number in range(7):
        write_bvh(tmp_path / f"walk_{number}.bvh")
    dataset = read(tmp_path)
    assert (len(dataset.train), len(dataset.test)) == (20, 8)
    assert any("known from training" in note for note in dataset.notes)


def test_sequences_are_what_their_cameras_see(tree: Path) -> None:
    dataset = read(tree)
    assert dataset.label == "BVH motion capture (3 subjects, 160 test frames)"
    for sequence in dataset.train + dataset.test:
        assert len(sequence) == 20  # 40 frames at 100 Hz
        assert not sequence.pose_3d[:, 0].any()
        in_camera = sequence.pose_3d + sequence.trajectory[:, None]
        np.testing.assert_allclose(sequence.pose_2d, project(in_camera, sequence.intrinsics), atol=1e-5)
        assert np.abs(sequence.pose_2d).max() < 1
        assert sequence.trajectory[:, 2].min() > 2
        assert (np.diff(sequence.pose_2d[:, [0, 10], 1]) < 0).all()  # the head is above the hip in the image
    views = np.stack([s.pose_3d[0, 4, [0, 2]] - s.pose_3d[0, 1, [0, 2]] for s in dataset.train[:4]])
    assert np.ptp(np.unwrap(np.arctan2(*views.T))) > np.pi  # seen from all around


def test_detector_errors_are_drawn_by_the_take(tree: Path) -> None:
    exact, noisy, again = read(tree), read(tree, "cpn"), read(tree, "cpn")
    assert noisy.fingerprint == again.fingerprint != exact.fingerprint
    errors = [np.abs(a.pose_2d - b.pose_2d).mean() * 500 for a, b in zip(exact.train, noisy.train, strict=True)]
    assert 2 < np.mean(errors) < 10  # px
    assert any("no detector ran" in note for note in noisy.notes)


def test_detector_errors_are_the_same_share_of_a_far_person(tree: Path) -> None:
    def share(distance: float, size: int) -> float:
        path = tree.parent / "cameras.yaml"
        path.write_text(
            f"cameras:\n- {{name: a, size: [{size}, {size}], focal: [{1.145 * size}, {1.145 * size}], "
            f"looks_at: [0, 0, 1], position: [{distance}, 0, 1]}}\n"
        )
        exact, noisy = (read(tree, detections, cameras=str(path)).train for detections in ("gt", "cpn"))
        pairs = [(a.pose_2d, b.pose_2d) for a, b in zip(exact, noisy, strict=True)]
        errors = [np.median(np.linalg.norm(b - a, axis=-1)) for a, b in pairs]
        return float(np.mean(errors) / np.mean([np.ptp(a[..., 1], axis=1) for a, _ in pairs]))

    near, far, large = share(4.4, 1000), share(21, 1000), share(4.4, 3000)
    assert 0.01 < near < 0.03
    assert far == pytest.approx(near, rel=0.15)
    assert large == pytest.approx(near, rel=0.01)


def test_files_are_parsed_once(tree: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read(tree)
    assert len(list(cache.iterdir())) == 6
    parsed: list[Path] = []

    def counted(path: Path, settings: Settings) -> Clip:
        parsed.append(path)
        return read_clip(path, settings)

    monkeypatch.setattr(clip_cache, "read_clip", counted)
    assert read(tree).fingerprint == first.fingerprint
    assert parsed == []
    changed = tree / "002" / "02_01.bvh"
    os.utime(changed, ns=(1, 1))
    sorted(cache.iterdir())[0].write_bytes(b"damaged")
    assert read(tree).fingerprint == first.fingerprint
    assert changed in parsed
    assert len(parsed) in (1, 2)  # the damaged entry may be that of the changed file
    parsed.clear()
    assert read(tree, unit="cm").fingerprint == first.fingerprint
    assert len(parsed) == 6  # other settings, other clips


def test_files_are_parsed_in_parallel_alike(tree: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bvh(tree / "002" / "02_03.bvh").write_text("nothing")
    alone = clip_cache.read_clips(takes.find_files(tree), Settings())
    for entry in cache.iterdir():
        entry.unlink()
    monkeypatch.setattr(clip_cache, "PARALLEL_BYTES", 0)
    monkeypatch.setattr(clip_cache.os, "cpu_count", lambda: 2)
    together = clip_cache.read_clips(takes.find_files(tree), Settings())
    assert list(alone) == list(together)
    monkeypatch.setattr(clip_cache, "current_process", lambda: SimpleNamespace(daemon=True))
    monkeypatch.setattr(clip_cache, "ProcessPoolExecutor", None)
    assert list(clip_cache.read_clips(takes.find_files(tree), Settings())) == list(alone), "in a worker of a sweep"
    for path, clip in alone.items():
        other = together[path]
        if isinstance(clip, str) or isinstance(other, str):
            assert clip == other
            assert "no BVH file" in str(clip)
        else:
            np.testing.assert_array_equal(clip.world, other.world)
            assert dataclasses.replace(clip, world=other.world) == dataclasses.replace(other, world=other.world)


def test_a_killed_process_is_one_sentence(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(ThreadPoolExecutor):
        def map(self, *arguments, **options):
            raise BrokenProcessPool

    monkeypatch.setattr(clip_cache, "PARALLEL_BYTES", 0)
    monkeypatch.setattr(clip_cache.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(clip_cache, "ProcessPoolExecutor", lambda workers, context: Killed(workers))
    with pytest.raises(InputError, match="run the same command again"):
        read(tree)


def test_a_cache_that_cannot_be_written_changes_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(tree).fingerprint
    (tree.parent / "file").write_text("")
    monkeypatch.setenv("BENCH_CACHE", str(tree.parent / "file"))
    assert read(tree).fingerprint == whole


def test_what_was_found_out_is_reported(tmp_path: Path) -> None:
    write_bvh(tmp_path / "a" / "walk.bvh")
    write_bvh(tmp_path / "a" / "walk_2.bvh")
    write_bvh(tmp_path / "b" / "jump.bvh", scale=10, names={"lelbow": "thing", "relbow": "thong"})
    notes = read(tmp_path).notes
    found = "joints known by their names; a body of 1.69 m, a foot near the floor in 100% of the frames"
    assert f"walk.bvh, walk_2.bvh: unit cm, y up; {found}" in notes
    (odd,) = [note for note in notes if note.startswith("jump.bvh")]
    assert "unit mm, y up; joints guessed" in odd
    assert "LElbow = thing" in odd


def test_files_that_cannot_be_used_are_refused_or_left_out(tree: Path) -> None:
    bad = tree / "002" / "02_03.bvh"
    bad.write_text(bvh_text(frames=3)[:-200])
    with pytest.raises(InputError, match=r"02_03\.bvh declares 3 frames.*skip=true"):
        read(tree)
    dataset = read(tree, skip=True)
    assert len(dataset.train + dataset.test) == 24
    assert any(note.startswith("1 files left out") and "02_03.bvh" in note for note in dataset.notes)


def test_every_unusable_file_is_named_in_a_bounded_sentence(tree: Path) -> None:
    for number in range(60):
        (tree / "002" / f"broken_{number}.bvh").write_text("nothing")
    with pytest.raises(InputError) as raised:
        read(tree)
    sentence = str(raised.value)
    assert sentence.count("no BVH file") == 3
    assert all(f"broken_{number}.bvh" in sentence for number in range(43))
    assert "and 17 more (60 files have something wrong; data.options.skip=true leaves them out)" in sentence
    assert len(sentence) < 3000
    (note,) = [note for note in read(tree, skip=True).notes if note.startswith("60 files left out")]
    assert len(note) < 3000
    with pytest.raises(InputError, match=r"none of its 1 BVH files|no BVH file"):
        read(tree / "002" / "broken_1.bvh")


def test_the_check_names_every_unusable_file_and_looks_at_the_others(tree: Path) -> None:
    for number in range(60):
        (tree / "002" / f"broken_{number}.bvh").write_text("nothing")
    result = CliRunner().invoke(app, ["data", "check", "bvh", "--data-root", str(tree)])
    assert result.exit_code == 1
    problems = [line for line in result.stdout.splitlines() if line.startswith("problem")]
    for number in range(60):
        assert any(f"broken_{number}.bvh has no MOTION" in line for line in problems)
    for line in ("stature: 1.6", "upright: the head is above the feet in 100.0%", "facing: "):
        assert line in result.stdout


def test_people_are_told_apart_by_their_bodies(tmp_path: Path) -> None:
    for take in range(2):
        write_bvh(tmp_path / f"tall_{take}.bvh", scale=1.05, seed=take)
        write_bvh(tmp_path / f"small_{take}.bvh", scale=0.95, seed=take)
    dataset = read(tmp_path)
    assert {sequence.subject for sequence in dataset.train + dataset.test} == {"subject", "subject-2"}
    assert not {s.subject for s in dataset.train} & {s.subject for s in dataset.test}
    assert any("taken for subjects subject, subject-2" in note for note in dataset.notes)


def test_one_s_own_cameras_take_the_place_of_the_virtual_ones(tree: Path) -> None:
    path = tree.parent / "cameras.yaml"
    path.write_text(
        "cameras:\n- {name: a, size: [640, 480], focal: [500, 500], position: [4, 0, 1.5], looks_at: [0, 0, 1]}\n"
    )
    dataset = read(tree, cameras=str(path))
    assert {(s.camera, s.width, s.height) for s in dataset.train + dataset.test} == {("a", 640, 480)}
    assert any(note.startswith(f"1 own camera of {path}; 2D poses are exact") for note in dataset.notes)
    assert check_at_load(dataset, "here").notes == dataset.notes
    with pytest.raises(InputError, match="give the path of a YAML file"):
        read(tree, cameras=str(tree / "none.yaml"))


def test_a_wide_camera_of_one_s_own_sees_the_whole_body_where_it_is(tree: Path) -> None:
    def dataset(distance: float) -> Dataset:
        path = tree.parent / "cameras.yaml"
        path.write_text(
            "cameras:\n- {name: wide, size: [1000, 1000], focal: [300, 300], looks_at: [0, 0, 0.9], "
            f"position: [{distance}, 0, 0.9]}}\n"
        )
        return read(tree, cameras=str(path))

    data = dataset(0.8)
    for sequence in data.train + data.test:
        seen = sequence.pose_3d + sequence.trajectory[:, None]
        slope = seen[..., :2] / seen[..., 2:]
        assert np.abs(slope).max() > 1.05, "beyond 45 degrees"
        np.testing.assert_allclose(sequence.pose_2d, slope * 0.6, atol=1e-5)
    assert check_at_load(data, "here").notes == data.notes
    with pytest.raises(InputError, match=r"a joint is -?0\.\d\d m in front of camera wide .*move the camera"):
        dataset(0.1)


def test_a_layout_says_who_moves_and_what_is_done(tmp_path: Path) -> None:
    for name in ("anna_wave_1", "anna_jump_1", "ben_wave_1", "ben_jump_2"):
        write_bvh(tmp_path / f"{name}.bvh")
    dataset = read(tmp_path, layout="{subject}_{action}_{any}", test="ben")
    assert [sequence.key for sequence in dataset.test[::4]] == ["ben/jump ben_jump_2/V1", "ben/wave ben_wave_1/V1"]
    assert {sequence.subject for sequence in dataset.train} == {"anna"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"test": "003"}, "names subject '003'"),
        ({"test": "001,002,010"}, "leave nothing to train on"),
        ({"unit": "feet"}, "data.options.unit is 'feet'.*metres as a number"),
        ({"unit": 0}, "'data.options.unit' is 0, but must be greater"),
        ({"unit": float("nan")}, "'data.options.unit' is nan, but"),
        ({"stature": 17}, "'data.options.stature' is 17, but must be less"),
        ({"stature": 1.7, "unit": "cm"}, "leave one out"),
        ({"layout": "{action}_{subject}_{any}"}, "option layout .* are not called so"),
        ({"layout": "walk"}, "has to name {subject} or {action}"),
        ({"layout": "{person}_{take}"}, "has to name {subject} or {action}"),
        ({"layout": "{action}{action}"}, "once each"),
        ({"fps": 0}, "'data.options.fps' is 0"),
        ({"source_fps": 1e9}, "'data.options.source_fps' is"),
        ({"joints": "Tail=spine"}, "option joints has 'Tail=spine'"),
        ({"joints": "LHip"}, "option joints has 'LHip'"),
        ({"joints": "LHip=nothing"}, "has no joint 'nothing'"),
        ({"index": "absent.txt"}, "absent.txt cannot be read"),
        ({"colour": "red"}, "unknown key 'data.options.colour'"),
    ],
)
def test_wrong_options_are_one_sentence(tree: Path, options: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as raised:
        read(tree, **options)
    assert "\n" not in str(raised.value)


def test_wrong_folders_are_one_sentence(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.txt").write_text("02_01\n")
    for root, detections, sentence in (
        (None, "gt", "needs the folder"),
        (tmp_path / "absent", "gt", "is not a folder"),
        (tmp_path / "empty", "gt", "has no .bvh file"),
        (tree, "hrnet", "no 'hrnet' detections"),
    ):
        with pytest.raises(InputError, match=sentence):
            load("bvh", root, detections)
    with pytest.raises(InputError, match="no line begins with the name"):
        read(tree, index=str(tmp_path / "other.txt"))
    far = write_bvh(tree / "001" / "far.bvh")
    lines = far.read_text().splitlines()
    lines[-2] = " ".join(["1e6", *lines[-2].split()[1:]])
    far.write_text("\n".join(lines))
    with pytest.raises(InputError, match="more than a room"):
        read(tree)


def test_special_files_do_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.bvh")
    with pytest.raises(InputError, match="not a regular file"):
        read(tmp_path)


@pytest.mark.skipif(not CMU_BVH.is_dir(), reason=f"no files in {CMU_BVH}")
def test_real_files_train_and_evaluate_with_one_command(tmp_path: Path) -> None:
    command = [
        "run", "--method", "nearest_pose", "--data", "bvh", "--data-root", str(CMU_BVH), "--device", "cpu",
        "--out", str(tmp_path / "out"), "--store", str(tmp_path / "store"), "--set", "evaluation.windows=8",
    ]  # fmt: skip
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    table = (tmp_path / "out" / "tables" / "run.md").read_text()
    assert "BVH motion capture (1 subject" in table
    assert "no detector ran" in table


def test_a_broken_file_is_exit_code_2(tree: Path, tmp_path: Path) -> None:
    (tree / "001" / "01_03.bvh").write_bytes(b"HIERARCHY\x00" * 100)
    command = [
        "run",
        "--method",
        "mean_pose",
        "--data",
        "bvh",
        "--data-root",
        str(tree),
        "--store",
        str(tmp_path / "s"),
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_long_ways_are_checked_at_load_and_not_refused(tmp_path: Path) -> None:
    def walk(rows: np.ndarray) -> np.ndarray:
        rows[:, 2] = np.linspace(0, 4800, len(rows))  # centimetres: nearly as far as the reader takes
        return rows

    for take in range(2):
        (tmp_path / f"walk_{take}.bvh").write_text(bvh_text(frames=2000, seed=take, change=walk))
    data = read(tmp_path)
    assert max(np.linalg.norm(part.trajectory, axis=-1).max() for part in data.test) > 60
    assert not any("Doubtful" in note for note in check_at_load(data, "here").notes)
