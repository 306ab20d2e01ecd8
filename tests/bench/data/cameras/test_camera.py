from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from bench.data.cameras import camera as cameras
from bench.data.human36m import cameras as human36m_cameras
from tests.bench.data import golden

GOLDEN = golden("camera.npz")


def test_rotation_matches_golden() -> None:
    np.testing.assert_allclose(cameras.rotate(GOLDEN["qs"], GOLDEN["vs"]), GOLDEN["out_qrot"], atol=1e-5)


def test_world_to_camera_matches_golden() -> None:
    pose = (GOLDEN["q"], GOLDEN["t"])
    seen = cameras.world_to_camera(GOLDEN["world"], *pose)
    np.testing.assert_allclose(seen, GOLDEN["out_world_to_camera"], atol=1e-5)


def test_projection_matches_golden_in_numpy_and_torch() -> None:
    expected = GOLDEN["out_project"]
    np.testing.assert_allclose(cameras.project(GOLDEN["points"], GOLDEN["camera"]), expected, atol=1e-5)
    tensors = torch.from_numpy(GOLDEN["points"]), torch.from_numpy(GOLDEN["camera"])
    np.testing.assert_allclose(cameras.project(*tensors).numpy(), expected, atol=1e-5)


def test_one_camera_serves_any_leading_axes() -> None:
    points, camera = GOLDEN["points"], GOLDEN["camera"]
    np.testing.assert_array_equal(cameras.project(points, camera[0])[0], cameras.project(points[0], camera[0]))
    stacked = np.broadcast_to(points[:, None, None], (6, 2, 3, 17, 3))
    np.testing.assert_array_equal(cameras.project(stacked, camera)[:, 1, 2], cameras.project(points, camera))


def test_screen_coordinates_match_golden() -> None:
    np.testing.assert_allclose(
        cameras.normalise(GOLDEN["pixels"], 1000, 1002), GOLDEN["out_normalized"], atol=1e-5
    )
    back = cameras.image_coordinates(GOLDEN["out_normalized"], 1000, 1002)
    np.testing.assert_allclose(back, GOLDEN["out_image"], atol=1e-3)


def test_a_wide_camera_sees_beyond_45_degrees_and_the_published_reprojection_does_not() -> None:
    camera = cameras.Camera("w", 1920, 1080, (700, 700), (960, 540), (0, 0, 0), (0, 0), (1, 0, 0, 0), (0, 0, 0))
    points = np.array([[1.2, 0, 1], [1.35, 0.3, 1], [-0.5, -1.1, 1]])
    np.testing.assert_allclose(camera.pixels(points), [[1800, 540], [1905, 750], [610, -230]], atol=1e-3)
    published = cameras.project(points, camera.intrinsics)
    np.testing.assert_allclose(published[:2, 0], 700 / 960, atol=1e-6)
    exact = cameras.project(torch.from_numpy(points), torch.from_numpy(camera.intrinsics), clamped=False)
    np.testing.assert_allclose(cameras.image_coordinates(exact.numpy(), 1920, 1080), camera.pixels(points))


def test_whole_numbers_are_places_as_others_are() -> None:
    pixels = np.array([[250, 500], [900, 31]])
    np.testing.assert_allclose(cameras.normalise(pixels, 1000, 1000), [[-0.5, 0], [0.8, -0.938]], atol=1e-6)
    camera = cameras.Camera("c", 1000, 1000, (1100, 1100), (512, 515), (0, 0, 0), (0, 0), (1, 0, 0, 0), (0, 0, -3))
    np.testing.assert_allclose(camera.intrinsics[:4], [2.2, 2.2, 0.024, 0.03], atol=1e-6)
    aside = dataclasses.replace(camera, position=(0.25, 0, -3))
    np.testing.assert_allclose(aside.from_world(np.array([[0, 1, 2]])), [[-0.25, 1, 5]])


def test_rig_has_four_cameras_for_seven_subjects() -> None:
    assert human36m_cameras.SUBJECTS == ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
    for subject in human36m_cameras.SUBJECTS:
        rig = human36m_cameras.cameras(subject)
        assert [camera.name for camera in rig] == ["54138969", "55011271", "58860488", "60457274"]
        assert [camera.height for camera in rig] == [1002, 1000, 1000, 1002]
        for camera in rig:
            assert np.linalg.norm(camera.orientation) == pytest.approx(1, abs=1e-6)
            assert 3 < np.linalg.norm(camera.position[:2]) < 7
            middle = camera.from_world(np.array([0.0, 0.0, 1.0]))
            assert middle[2] > 3
            assert np.all(np.abs(camera.pixels(middle) - 500) < 250)
