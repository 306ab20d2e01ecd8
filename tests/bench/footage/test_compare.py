"""What is said of methods without ground truth, on poses of which it is known."""

from dataclasses import replace

import numpy as np
import pytest

from bench.footage.compare import bone_measures, compare, distance, jitter
from bench.footage.files import shown_poses
from bench.footage.lift import Settings
from bench.footage.predict import predict
from models.skeleton import HUMAN36M
from reports.footage import NO_ACCURACY, write_comparison
from tests.bench.footage import walker
from tests.bench.footage.known_depth import known_depth
from tests.bench.footage.test_lift import CPU, key_points


@pytest.fixture
def result(tmp_path):
    return predict(key_points(tmp_path), known_depth(), Settings(), CPU, tmp_path / "work", focal_pixels=1150)


def with_poses(result, poses):
    return result._replace(prediction=replace(result.prediction, poses=poses.astype(np.float32)))


def test_a_body_that_does_not_change(result):
    still = np.tile(walker.walk(1)[0], (60, 1, 1))
    bones, symmetry = bone_measures(with_poses(result, still))
    assert bones == pytest.approx(0, abs=1e-4)
    assert symmetry == pytest.approx(0, abs=1e-4)
    assert jitter(with_poses(result, still)) == pytest.approx(0, abs=1e-3)


def test_lengths_and_sides(result):
    still = np.tile(walker.walk(1)[0], (60, 1, 1)).astype(np.float64)
    breathing = still * (1 + 0.1 * np.where(np.arange(60) % 2, 1, -1))[:, None, None]
    assert bone_measures(with_poses(result, breathing))[0] == pytest.approx(10, rel=1e-3)
    lame = still.copy()
    left, knee = HUMAN36M.joints.index("LFoot"), HUMAN36M.joints.index("LKnee")
    lame[:, left] = lame[:, knee] + 0.8 * (lame[:, left] - lame[:, knee])  # 0.44 m against 0.352 m
    assert bone_measures(with_poses(result, lame))[1] == pytest.approx(100 * 2 * 0.2 / 1.8 / 6, rel=1e-3)


def test_acceleration_and_distance(result):
    thrown = np.zeros((60, 17, 3))
    thrown[:, 1:, 1] = 0.5 * 9.81 * (np.arange(60)[:, None] / 50) ** 2
    assert jitter(with_poses(result, thrown)) == pytest.approx(9.81 * 16 / 17, rel=1e-3)
    assert distance(with_poses(result, np.zeros((60, 17, 3))), result) > 100
    assert distance(result, result) == 0


def test_the_comparison_is_written_and_says_that_it_is_no_accuracy(result, tmp_path):
    moved = with_poses(result, result.prediction.poses * 1.1)
    results = [result, moved._replace(prediction=replace(moved.prediction, method="Larger"))]
    found, apart = compare(results, [known_depth(), known_depth()], Settings(hypotheses=3), CPU)
    assert found[0].reprojection < 1
    of_a_joint = 1000 * np.sqrt(3) * np.std(np.linspace(-0.1, 0.1, 5))
    assert found[0].spread == pytest.approx(16 / 17 * of_a_joint, rel=1e-3), "the root has none"
    assert found[0].ms_per_frame > 0
    assert apart[0, 1] == apart[1, 0] > 0
    written = write_comparison(tmp_path / "out", found, apart, [shown_poses(one.prediction) for one in results])
    assert all(path.exists() for path in written)
    table = (tmp_path / "out" / "own-footage.md").read_text()
    assert "| Larger H=3 K=5 P-Agg |" in table
    captions = [path.read_text() for path in (tmp_path / "out" / "figures").glob("*.txt")]
    assert len(captions) == 2
    assert all(NO_ACCURACY in text for text in [table, *captions])
