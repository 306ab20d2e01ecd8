"""Files as the common tools write them, of motion whose truth is known (../shared/data/keypoints)."""

import numpy as np
import pytest
import torch

from bench.config.experiment import parse
from bench.data.cameras.camera import image_coordinates, project
from bench.footage.keypoints import load_key_points
from bench.footage.lift import Settings
from bench.footage.predict import predict
from bench.footage.weights import load_weights
from bench.job.resolve import resolve
from bench.job.weights import train_or_load
from bench.protocol.metrics import MPJPE, P_MPJPE
from bench.results.store import Store
from models.skeleton import HUMAN36M
from tests import SHARED
from tests.bench.footage.test_lift import CPU

FOLDER = SHARED / "data" / "keypoints"
if not FOLDER.is_dir():
    pytest.skip("no files of key points beside the repository", allow_module_level=True)

SIZE, FPS = (1000, 1002), 50.0
FILES = {
    "mmpose_inferencer.json": "coco",
    "alphapose-results.json": "halpe26",
    "openpose": "body25",
    "rtmlib_arrays.npz": "coco",
    "h36m17.npz": "human36m",
}
LIMBS = [*range(1, 7), *range(11, 17)]
"""Joints that every layout has; spine, thorax, neck and head are made of others."""


@pytest.fixture(scope="module")
def truth():
    with np.load(FOLDER / "truth.npz") as content:
        return dict(content)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The nearest training pose: the method that is trained in a moment."""
    store = Store(tmp_path_factory.mktemp("store"))
    job = resolve(parse({"method": {"name": "nearest_pose"}}))
    train_or_load(job.training, job.build(), store, "cpu")
    return load_weights(job.training_id[:8], store)


@pytest.mark.parametrize("name", FILES)
def test_joints_are_where_the_truth_is_seen(name, truth):
    points = load_key_points(FOLDER / name, SIZE, fps=FPS)
    assert points.layout.name == FILES[name]
    exact = image_coordinates(project(truth["pose_3d"] + truth["trajectory"][:, None], truth["intrinsics"]), *SIZE)
    away = np.linalg.norm(points.points - exact[points.frames], axis=-1)
    with np.load(FOLDER / "h36m17.npz") as detector:  # of the same detections, with its errors of 4 to 20 pixels
        errors = np.linalg.norm(detector["keypoints"] - exact, axis=-1)[points.frames]
    apart = np.where(points.filled_joints, 0, np.abs(away - errors))
    assert apart[:, LIMBS].max() < 0.02  # the same points
    assert away[points.filled].max(initial=0) < 40
    made = [number for number in range(17) if number not in LIMBS]
    assert away[:, made].mean() < (11 if name != "alphapose-results.json" else 15)  # of a body of 455 pixels
    assert set(np.flatnonzero(points.filled)) <= {20, 21, 22}


@pytest.mark.parametrize("name", FILES)
def test_lifted_poses_are_near_the_truth(name, truth, weights, tmp_path):
    points = load_key_points(FOLDER / name, SIZE, fps=FPS)
    result = predict(points, weights, Settings(), CPU, tmp_path, fitted=True)
    pred, target = (torch.from_numpy(np.array(poses)) for poses in (result.prediction.poses, truth["pose_3d"]))
    target = target[points.frames]
    assert MPJPE.compute(pred, target).mean() < 115
    assert P_MPJPE.compute(pred, target).mean() < 75
    mirrored = HUMAN36M.mirror(pred)
    assert MPJPE.compute(mirrored, target).mean() > MPJPE.compute(pred, target).mean() + 20
