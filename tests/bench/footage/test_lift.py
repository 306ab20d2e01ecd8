"""Lifting keeps every frame in its place, goes on after it was stopped, and works on arrays on the disk."""

import numpy as np
import pytest
import torch

from bench.footage import lift as lifting
from bench.footage.camera import USUAL_FOCAL, fit_camera
from bench.footage.keypoints import Fit, load_key_points
from bench.footage.lift import Settings, checked_aggregation, lift
from bench.footage.predict import predict
from models.errors import InputError
from tests.bench.footage import walker
from tests.bench.footage.known_depth import DEPTH, known_depth

CPU = torch.device("cpu")
SIZE = (walker.WIDTH, walker.HEIGHT)


def key_points(folder, frames=60, lost=()):
    poses, roots = walker.walk(frames)
    depth = (poses + roots[:, None])[..., 2:] / DEPTH
    person = np.concatenate([walker.pixels(frames), depth], axis=-1)
    person[list(lost)] = np.nan
    np.save(folder / "walk.npy", person.astype(np.float32))
    return load_key_points(folder / "walk.npy", SIZE, fps=50)


@pytest.mark.parametrize("frames", [5, 9, 60])
def test_every_frame_has_its_own_pose(frames, tmp_path):
    found = lift(known_depth(), key_points(tmp_path, frames), Fit(), 2.3, Settings(), CPU, tmp_path)
    poses, _ = walker.walk(frames)
    assert np.abs(found.poses - poses).max() < 1e-4
    assert found.spread[:, 1:] == pytest.approx(np.sqrt(3) * np.std(np.linspace(-0.1, 0.1, 5)), rel=1e-3)
    assert not found.spread[:, 0].any(), "the root is the origin of all hypotheses"
    found.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["walk.npy"]


def test_long_gaps_have_no_pose(tmp_path):
    points = key_points(tmp_path, lost=range(20, 40))
    assert points.pieces == ((0, 20), (40, 60))
    found = lift(known_depth(), points, Fit(), 2.3, Settings(), CPU, tmp_path)
    poses, _ = walker.walk()
    assert np.isnan(found.poses[20:40]).all()
    assert np.abs(found.poses[points.lifted] - poses[points.lifted]).max() < 1e-4


@pytest.mark.parametrize("aggregation", ["P-Agg", "P-Median", "J-Fit", "RPEA-Fit"])
def test_deployable_aggregations(aggregation, tmp_path):
    points = key_points(tmp_path)
    settings = Settings(aggregation=checked_aggregation(aggregation))
    found = lift(known_depth(), points, Fit(), 2.3, settings, CPU, tmp_path)
    assert np.abs(found.poses - walker.walk()[0]).max() < 0.11  # one of the hypotheses, or their middle


@pytest.mark.parametrize("name", ["J-Agg", "P-Best", "J-Best", "mean"])
def test_aggregations_that_need_truth_are_refused(name):
    with pytest.raises(InputError, match="take P-Agg, P-Median, J-Fit"):
        checked_aggregation(name)


def test_a_stopped_prediction_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(lifting, "SAVE_SECONDS", 0)
    monkeypatch.setattr(lifting, "windows_per_call", lambda *rest: 1)
    points = key_points(tmp_path)
    whole = lift(known_depth(), points, Fit(), 2.3, Settings(), CPU, tmp_path / "whole")
    stopped = known_depth()
    usual = stopped.lifter.predict

    def killed(*arguments):
        if stopped.lifter.calls == 4:
            raise KeyboardInterrupt
        return usual(*arguments)

    monkeypatch.setattr(stopped.lifter, "predict", killed)
    with pytest.raises(KeyboardInterrupt):
        lift(stopped, points, Fit(), 2.3, Settings(), CPU, tmp_path / "stopped")
    again = known_depth()
    found = lift(again, points, Fit(), 2.3, Settings(), CPU, tmp_path / "stopped")
    assert again.lifter.calls == 7 - 4
    assert np.array_equal(found.poses, whole.poses)
    assert np.array_equal(found.spread, whole.spread)


def test_too_little_memory_makes_smaller_batches(tmp_path, monkeypatch):
    weights, sizes = known_depth(), []
    usual = weights.lifter.predict

    def scarce(batch, sampling):
        sizes.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError
        return usual(batch, sampling)

    monkeypatch.setattr(weights.lifter, "predict", scarce)
    found = lift(weights, key_points(tmp_path), Fit(), 2.3, Settings(), CPU, tmp_path)
    assert np.abs(found.poses - walker.walk()[0]).max() < 1e-4
    assert max(sizes) > 2 >= sizes[-1]


def test_a_method_that_reads_the_confidence_needs_one(tmp_path):
    np.save(tmp_path / "bare.npy", walker.pixels())
    points = load_key_points(tmp_path / "bare.npy", SIZE)
    with pytest.raises(InputError, match="has no confidence, which Known depth reads"):
        lift(known_depth(), points, Fit(), 2.3, Settings(), CPU, tmp_path)


def test_the_root_is_found_with_a_given_and_with_a_fitted_focal_length(tmp_path):
    points, (_, roots) = key_points(tmp_path), walker.walk()
    given = predict(points, known_depth(), Settings(), CPU, tmp_path, focal_pixels=1150)
    fitted = predict(points, known_depth(), Settings(), CPU, tmp_path)
    assert np.abs(given.prediction.roots - roots).max() < 0.01
    assert fitted.prediction.description["focal_pixels"] == pytest.approx(1150, rel=0.05)
    assert np.abs(fitted.prediction.roots - roots).max() < 0.3
    assert any("fitted to the poses" in note for note in fitted.prediction.description["notes"])


def test_poses_that_tell_nothing_of_the_focal_length_have_the_usual_one(tmp_path):
    """Flat poses fit every focal length alike."""
    points = key_points(tmp_path)
    flat = np.concatenate([points.points / 500, np.zeros((60, 17, 1))], axis=-1)
    flat -= flat[:, :1]
    camera = fit_camera(flat.astype(np.float32), points, None)
    assert (camera.focal, camera.known_from) == (USUAL_FOCAL, "assumed")


def test_arrays_lie_on_the_disk(tmp_path):
    """Windows read them there, so that a long video needs no more memory."""
    found = lift(known_depth(), key_points(tmp_path, 2000), Fit(), 2.3, Settings(), CPU, tmp_path)
    assert isinstance(found.poses, np.memmap)
    assert {path.name for path in found.folder.glob("*.npy")} >= {"pose_2d.npy", "poses.npy", "spread.npy"}
