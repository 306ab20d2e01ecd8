"""One's own cameras in a YAML file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from bench.data.cameras.file import read_cameras
from bench.data.human36m.cameras import cameras
from models.errors import InputError
from tests.hostile import check_sentence

FRONT = {
    "name": "front", "size": [1920, 1080], "focal": [1400, 1400], "position": [4, 1, 1.6], "looks_at": [0, 0, 1],
}  # fmt: skip


def written(path: Path, *entries: object) -> Path:
    path.write_text(yaml.safe_dump({"cameras": list(entries)}))
    return path


def test_a_camera_sees_what_it_looks_at_upright_in_the_middle(tmp_path: Path) -> None:
    (camera,) = read_cameras(written(tmp_path / "c.yaml", FRONT))
    middle, above, left = (
        camera.pixels(camera.from_world(np.array([place]))) for place in ([0.0, 0, 1], [0.0, 0, 1.5], [0.0, -1, 1])
    )
    np.testing.assert_allclose(middle, [[960, 540]], atol=0.01)
    np.testing.assert_allclose(above[0, 0], 960, atol=0.01)
    assert above[0, 1] < 400
    assert left[0, 0] < 700  # seen from +x, -y lies on the left


def test_a_calibrated_camera_is_the_camera_itself(tmp_path: Path) -> None:
    known = cameras("S9")[0]
    entry = {
        "name": known.name, "size": [known.width, known.height], "focal": list(known.focal),
        "centre": list(known.centre), "distortion": [*known.radial, *known.tangential],
        "position": list(known.position), "orientation": list(known.orientation),
    }  # fmt: skip
    (camera,) = read_cameras(written(tmp_path / "c.yaml", entry))
    points = np.random.default_rng(0).uniform(-1, 1, (20, 3))
    np.testing.assert_allclose(
        camera.pixels(camera.from_world(points)), known.pixels(known.from_world(points)), atol=1e-3
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"looks_at": None}, "camera front: give looks_at or orientation"),
        ({"orientation": [1, 0, 0, 0]}, "give looks_at or orientation, one of them"),
        ({"looks_at": None, "orientation": [1, 1, 0, 0]}, "unit quaternion"),
        ({"looks_at": [4, 1, 0]}, "straight up or down"),
        ({"focal": 1400}, "'cameras.0.focal' is 1400"),
        ({"size": [0, 1080]}, "'cameras.0.size.0' is 0"),
        ({"position": [0, 1e9, 0]}, "'cameras.0.position.1'"),
        ({"lens": 5}, "unknown key 'cameras.0.lens'"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, change: dict[str, object], words: str) -> None:
    entry = {key: value for key, value in (FRONT | change).items() if value is not None}
    with pytest.raises(InputError, match=words) as caught:
        read_cameras(written(tmp_path / "c.yaml", entry))
    check_sentence(caught.value)


def test_two_cameras_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two cameras have one name"):
        read_cameras(written(tmp_path / "c.yaml", FRONT, FRONT))
