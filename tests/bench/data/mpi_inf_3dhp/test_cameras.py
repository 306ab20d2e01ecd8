from __future__ import annotations

import numpy as np
import pytest

from bench.data.cameras.camera import project
from bench.data.mpi_inf_3dhp.cameras import fitted_intrinsics, published_camera, trajectory_scale


def test_fitted_cameras() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal((0.1, 0.2, 4), 0.4, (50, 17, 3))
    camera = published_camera("TS5")
    screen = project(points, camera.intrinsics.astype(np.float64))
    np.testing.assert_allclose(fitted_intrinsics(points, screen), camera.intrinsics, atol=1e-5)
    assert np.isfinite(fitted_intrinsics(np.ones((1, 1, 3)), np.zeros((1, 1, 2)))).all()
    root = points[:, 14]
    pose = 0.9 * (points - root[:, None])
    assert trajectory_scale(pose, root, screen, camera.intrinsics) == pytest.approx(0.9, abs=1e-4)


def test_the_published_cameras() -> None:
    studio, outdoors = published_camera("TS1"), published_camera("TS6")
    assert studio.focal == pytest.approx((1500.1723, 1500.1723), abs=1e-3)
    assert studio.centre == pytest.approx((1017.3873, 1043.0320), abs=1e-3)
    assert outdoors.focal == pytest.approx((1683.9834, 1683.9834), abs=1e-3)
    assert outdoors.centre == pytest.approx((939.8575, 560.1407), abs=1e-3)
