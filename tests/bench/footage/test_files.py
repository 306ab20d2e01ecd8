"""What is written of a prediction: arrays that say what they are, CSV, pictures, and a page."""

import csv
import json
import re

import numpy as np
import pytest
from matplotlib.animation import FFMpegWriter
from PIL import Image

from bench.footage.files import shown_poses, write_arrays, write_csv
from bench.footage.keypoints import load_key_points
from bench.footage.lift import Settings
from bench.footage.pictures import check_ffmpeg, save_moving, save_still
from bench.footage.predict import predict
from models.errors import InputError
from models.skeleton import HUMAN36M
from reports.page.footage import NOTE, write_page
from tests.bench.footage import walker
from tests.bench.footage.known_depth import known_depth
from tests.bench.footage.test_lift import CPU, key_points


@pytest.fixture
def prediction(tmp_path):
    """With a gap that was filled and one that was too long."""
    points = key_points(tmp_path, lost=[5, 6, *range(20, 40)])
    return predict(points, known_depth(), Settings(), CPU, tmp_path / "work", focal_pixels=1150).prediction


def test_arrays_say_what_they_are(prediction, tmp_path):
    write_arrays(tmp_path / "out.npz", prediction)
    with np.load(tmp_path / "out.npz", allow_pickle=False) as found:
        assert found["poses"].shape == (60, 17, 3)
        assert found["poses"].dtype == np.float32
        assert np.isnan(found["poses"][20:40]).all()
        assert np.flatnonzero(found["filled"]).tolist() == [5, 6]
        assert np.abs(found["trajectory"][0] - walker.walk()[1][0]).max() < 0.01
        assert tuple(found["joints"]) == HUMAN36M.joints
        said = json.loads(str(found["description"]))
    assert said["weights"] == "made up"
    assert (said["hypotheses"], said["steps"], said["aggregation"]) == (5, 5, "P-Agg")
    again = load_key_points(tmp_path / "out.npz")
    assert again.pieces == prediction.points.pieces
    assert np.array_equal(again.points, prediction.points.points, equal_nan=True)


def test_csv_has_a_row_for_each_frame(prediction, tmp_path):
    write_csv(tmp_path / "out.csv", prediction)
    with open(tmp_path / "out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(60))
    assert float(rows[1]["seconds"]) == pytest.approx(0.02)
    assert [row["filled"] for row in rows].count("1") == 2
    assert rows[30]["RWrist_x_mm"] == ""
    poses, roots = walker.walk()
    wrist = HUMAN36M.joints.index("RWrist")
    for axis, name in enumerate("xyz"):
        place = 1000 * (poses[0, wrist, axis] + roots[0, axis])
        assert float(rows[0][f"RWrist_{name}_mm"]) == pytest.approx(place, abs=10)


def test_pictures_are_made(prediction, tmp_path):
    save_still(tmp_path / "out.png", prediction)
    save_moving(tmp_path / "out.gif", prediction)
    with Image.open(tmp_path / "out.png") as still, Image.open(tmp_path / "out.gif") as moving:
        assert min(still.size) > 400
        assert moving.n_frames == 10  # of 40 frames at 50 per second


def test_an_mp4_needs_ffmpeg(prediction, tmp_path, monkeypatch):
    if FFMpegWriter.isAvailable():
        check_ffmpeg()
        save_moving(tmp_path / "out.mp4", prediction)
        assert (tmp_path / "out.mp4").stat().st_size > 1000
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="needs ffmpeg, which is not installed"):
        check_ffmpeg()


def test_a_page_shows_the_poses_alone(prediction, tmp_path):
    write_page(tmp_path / "out.html", [shown_poses(prediction)])
    text = (tmp_path / "out.html").read_text()
    assert "[[" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert 'id="pose-panels"' in text
    assert 'id="plot"' not in text
    assert "without ground truth" in NOTE
