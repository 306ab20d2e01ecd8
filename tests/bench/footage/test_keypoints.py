"""One person out of a file: followed, with gaps filled up, at the size of the training."""

import json

import numpy as np
import pytest

from bench.data.layouts import LAYOUTS
from bench.footage.keypoints import fit_to_training, load_key_points, screen_points
from models.errors import InputError
from tests.bench.footage import walker

SIZE = (walker.WIDTH, walker.HEIGHT)
SMALL = {"away": (300, 50), "scale": 0.4}


def load(folder, people, write=walker.write_mmpose, **options):
    return load_key_points(write(folder / "people.json", people), SIZE, **options)


@pytest.mark.parametrize("write", [walker.write_mmpose, walker.write_alphapose])
def test_people_are_followed_and_named(write, tmp_path):
    layout = "halpe26" if write is walker.write_alphapose else "coco"
    large, small = walker.in_layout(layout), walker.in_layout(layout, **SMALL)
    large[10:13] = np.nan
    points = load(tmp_path, [small, large], write)
    assert np.abs(points.points - walker.pixels()).max() < 4
    assert points.filled.sum() == 3
    assert any("2 people, followed" in note for note in points.notes)
    number = next(other for other in (1, 2) if f"person {other}," not in " ".join(points.notes))
    other = load(tmp_path, [small, large], write, person=number)
    assert other.filled.sum() == 0
    assert np.ptp(other.points, axis=1).max() < 0.6 * np.ptp(points.points, axis=1).max()
    with pytest.raises(InputError, match="--person 7: is not in .* which has 1, 2"):
        load(tmp_path, [small, large], write, person=7)


def test_two_people_of_one_size_who_pass_each_other_in_the_file(tmp_path):
    """The file lists them in another order in every frame."""
    one, other = walker.in_layout("coco"), walker.in_layout("coco", away=(250, 0), scale=0.9)
    shuffled = np.stack([one, other])
    shuffled[:, ::2] = shuffled[::-1, ::2]
    points = load(tmp_path, list(shuffled))
    assert np.abs(points.points - walker.pixels()).max() < 0.01


def test_track_ids_that_do_not_tell_people_apart_are_not_trusted(tmp_path):
    one, other = walker.in_layout("halpe26"), walker.in_layout("halpe26", away=(250, 0), scale=0.9)
    shuffled = np.stack([one, other])
    shuffled[:, ::2] = shuffled[::-1, ::2]

    def write_with_one_id(path, people):
        walker.write_alphapose(path, people)
        path.write_text(json.dumps([entry | {"idx": [0.0]} for entry in json.loads(path.read_text())]))
        return path

    points = load(tmp_path, list(shuffled), write_with_one_id)
    assert np.abs(points.points - walker.pixels()).max() < 4
    assert any("as the file's track ids are the same for several people" in note for note in points.notes)


def test_a_person_that_stands_twice_in_one_frame_keeps_the_track_ids(tmp_path):
    one, other = walker.in_layout("halpe26"), walker.in_layout("halpe26", away=(250, 0), scale=0.9)

    def write_twice(path, people):
        walker.write_alphapose(path, people)
        entries = json.loads(path.read_text())
        path.write_text(json.dumps([*entries, entries[0]]))
        return path

    assert any("by the file's track ids" in note for note in load(tmp_path, [one, other], write_twice).notes)


def test_one_person_alone_may_move_far(tmp_path):
    person = walker.in_layout("coco")
    person[30:, :, 0] -= 400
    points = load(tmp_path, [person])
    assert points.filled.sum() == 0
    assert points.pieces == ((0, 60),)
    assert not any("people" in note for note in points.notes)


def test_gaps_are_filled_up_to_a_length(tmp_path):
    person = walker.in_layout("coco")
    person[5:8] = person[30:45] = np.nan
    points = load(tmp_path, [person])
    assert points.pieces == ((0, 30), (45, 60))
    assert np.flatnonzero(points.filled).tolist() == [5, 6, 7]
    assert np.isnan(points.points[30:45]).all()
    assert np.isfinite(points.points[points.lifted]).all()
    assert any("15 frames in longer gaps" in note for note in points.notes)
    assert load(tmp_path, [person], longest_gap=15).pieces == ((0, 60),)
    assert load(tmp_path, [person], longest_gap=2).pieces == ((0, 5), (8, 30), (45, 60))


def test_nobody_is_sure_of_what_was_filled_up(tmp_path):
    person = walker.in_layout("coco")
    person[5:8] = np.nan
    person[20:24, LAYOUTS["coco"].points.index("RWrist")] = np.nan
    points = load(tmp_path, [person])
    assert points.filled_joints.sum() == 3 * 17 + 4
    assert np.isfinite(points.points).all()
    assert (points.confidence[points.filled_joints] == 0).all()
    np.testing.assert_allclose(points.confidence[~points.filled_joints], 0.8)


def test_a_joint_that_is_never_seen_is_named(tmp_path):
    person = walker.in_layout("coco")
    person[:, 15:17] = np.nan
    with pytest.raises(InputError, match="never seen: RFoot, LFoot; whole bodies"):
        load(tmp_path, [person])


def test_images_that_are_no_video_are_refused(tmp_path):
    person = walker.in_layout("coco", frames=2)
    file = walker.write_mmpose(tmp_path / "a.json", [person])
    file.write_text(file.read_text().replace('"frame_id": 1', '"frame_id": 397133'))
    with pytest.raises(InputError, match="2 frames are numbered 0 to 397133"):
        load_key_points(file, SIZE)


def test_the_frame_rate_is_assumed_aloud(tmp_path):
    points = load(tmp_path, [walker.in_layout("coco")])
    assert points.fps == 30
    assert any("30 frames per second assumed" in note for note in points.notes)


def test_a_person_is_fitted_to_the_training(tmp_path):
    """A far person in an upright video becomes one of the training's size in the middle of the image."""
    far = walker.in_layout("coco", away=(-100, 300), scale=0.2)
    file = walker.write_mmpose(tmp_path / "far.json", [far])
    points = load_key_points(file, (1000, 1800))
    fit, sentence = fit_to_training(points, 0.7, wanted=True)
    fitted = fit.applied(screen_points(points, slice(None)))
    height = np.median(np.ptp(fitted, axis=1).max(axis=-1))
    assert height == pytest.approx(0.7, rel=0.02)
    assert np.abs(np.median((fitted.min(axis=1) + fitted.max(axis=1)) / 2, axis=0)).max() < 0.01
    assert "fitted to the training" in sentence
    unfitted, warned = fit_to_training(points, 0.7, wanted=False)
    assert (unfitted.scale, unfitted.centre) == (1.0, (0.0, 0.0))
    assert "the image is upright: --fit may help" in warned
    usual = load(tmp_path, [walker.in_layout("coco")])
    assert fit_to_training(usual, 0.9, wanted=False)[1] == ""
