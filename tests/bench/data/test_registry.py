"""A data set of another package, with other joints than those of this repository, works as the suite's own do."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.config.registry import DATASETS
from bench.data import find_reader, load
from bench.protocol.metrics import all_metrics
from bench.results.store import Store
from models.errors import InputError
from tests import ROOT

READER = '''
from pathlib import Path

import numpy as np

from bench.data.cameras.camera import Camera
from bench.data.packing import Recording, pack
from bench.data.reader import Reader
from models.skeleton import Skeleton

REST = np.array([
    (0, 0, 1.0), (-0.1, 0, 1.0), (-0.1, 0.06, 0.55), (-0.1, 0, 0.1),
    (0.1, 0, 1.0), (0.1, 0.06, 0.55), (0.1, 0, 0.1), (0, 0, 1.5), (0, 0, 1.75),
    (-0.2, 0, 1.45), (-0.2, 0, 1.15), (-0.2, 0.1, 0.9), (0.2, 0, 1.45), (0.2, 0, 1.15), (0.2, 0.1, 0.9),
]) * [-1, 1, 1]
CAMERA = Camera(
    "front", 1000, 1000, (1100, 1100), (500, 500), (0, 0, 0), (0, 0), (0.5**0.5, -0.5**0.5, 0, 0), (0, -4, 1)
)


class Fifteen(Reader):
    """A body of 15 joints that walks ahead."""

    name = "fifteen"
    skeleton = Skeleton(
        name="fifteen",
        joints=(
            "Pelvis", "RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "Neck", "Head",
            "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist",
        ),
        parents=(-1, 0, 1, 2, 0, 4, 5, 0, 7, 7, 9, 10, 7, 12, 13),
        left=(4, 5, 6, 12, 13, 14),
        right=(1, 2, 3, 9, 10, 11),
        root=0,
    )
    detections = ("gt",)
    needs = "frames.txt"
    suffixes = (".txt",)
    complete = (80, 40)

    def joints(self):
        return REST

    def read(self, root: Path, detections: str, *, speed: float = 1.0):
        frames = int((root / "frames.txt").read_text())
        ahead = np.arange(frames)[:, None, None] / 50 * speed * np.array([0, 1, 0])
        parts = []
        for subjects in (("A", "B"), ("C",)):
            worlds = {subject: self.joints() * size + ahead for subject, size in zip(subjects, (1.0, 0.95))}
            parts.append(pack([
                Recording(subject, f"Walking {take}", world, (CAMERA.pixels(CAMERA.from_world(world)),), (CAMERA,))
                for subject, world in worlds.items() for take in (1, 2)
            ], fps=50.0))
        return self.dataset(*parts, label="fifteen joints", detections=detections)
'''
ONE_SIDED = '''

class Arm(Fifteen):
    """Shoulder, elbow and wrist: no joint has a mirror image."""

    name = "arm"
    skeleton = Skeleton("arm", ("Shoulder", "Elbow", "Wrist"), (-1, 0, 1), (), (), 0)
    complete = None

    def joints(self):
        return REST[9:12]


class Hand(Arm):
    """One joint, without a bone."""

    name = "hand"
    skeleton = Skeleton("hand", ("Wrist",), (-1,), (), (), 0)

    def joints(self):
        return REST[11:12]
'''
BROKEN = "import no_such_library\n"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package as pip would install it: modules, and entry points in its metadata; and a folder with a file."""
    site = tmp_path / "site-packages"
    metadata = site / "other_data-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "other_data.py").write_text(READER + ONE_SIDED)
    (site / "broken_data.py").write_text(BROKEN)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: other-data\nVersion: 1.0\n")
    points = (
        "fifteen=other_data:Fifteen\narm=other_data:Arm\nhand=other_data:Hand\n"
        "broken=broken_data:Reader\nfunction=other_data:pack\n"
    )
    (metadata / "entry_points.txt").write_text(f"[{DATASETS.group}]\n{points}")
    monkeypatch.syspath_prepend(site)
    root = tmp_path / "files"
    root.mkdir()
    (root / "frames.txt").write_text("20")
    return root


def test_it_is_read_by_its_name(installed: Path) -> None:
    assert DATASETS.plugin_names() == ["arm", "broken", "fifteen", "function", "hand"]
    dataset = load("fifteen", installed, "gt", {"speed": "2"})
    assert dataset.skeleton == find_reader("fifteen").skeleton
    assert [sequence.key for sequence in dataset.train] == [
        "A/Walking 1/front", "A/Walking 2/front", "B/Walking 1/front", "B/Walking 2/front",
    ]  # fmt: skip
    walked = dataset.test[0].trajectory[-1] - dataset.test[0].trajectory[0]
    np.testing.assert_allclose(walked, [0, 0, 2 * 19 / 50], atol=1e-6)
    assert dataset.fingerprint != load("fifteen", installed).fingerprint


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"root": None}, "data set fifteen needs the folder of frames.txt: name it with --data-root"),
        ({"detections": "cpn"}, "data set fifteen has no 'cpn' detections: set them to one of gt"),
        ({"options": {"sped": 2}}, "unknown key 'data.options.sped' for fifteen: did you mean 'speed'?"),
        ({"options": {"speed": "fast"}}, "key 'data.options.speed' is 'fast', but must be a number"),
        ({"name": "fiften"}, "unknown data set 'fiften': did you mean 'fifteen'?"),
        ({"name": "broken"}, "data set 'broken' of other-data .* cannot be imported: ModuleNotFoundError"),
        ({"name": "function"}, "data set 'function' is .*, no subclass of bench.data.reader.Reader"),
    ],
)
def test_what_is_wrong_is_one_sentence(installed: Path, arguments: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as raised:
        load(**{"name": "fifteen", "root": installed} | arguments)
    assert "\n" not in str(raised.value)


def test_it_is_described_checked_and_drawn(installed: Path, tmp_path: Path) -> None:
    command = ["fifteen", "--data-root", str(installed), "--detections", "gt"]
    described = CliRunner().invoke(app, ["data", "describe", *command, "--pictures", str(tmp_path / "pictures")])
    assert described.exit_code == 0, described.output
    assert "15 joints at 50 frames per second" in described.output
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "fifteen-poses.png", "fifteen-projections.png",
    ]  # fmt: skip
    checked = CliRunner().invoke(app, ["data", "check", *command])
    assert checked.exit_code == 0, checked.output
    assert "frames.txt: 2 bytes, SHA-256" in checked.output
    assert "frames: 80 for training, 40 for testing, the complete set" in checked.output
    assert "problem" not in checked.output


def test_a_method_is_measured_on_it(installed: Path, tmp_path: Path) -> None:
    command = [
        "run", "--method", "mean_pose", "--data", "fifteen", "--data-root", str(installed), "--device", "cpu",
        "--set", "data.detections=gt", "--out", str(tmp_path / "out"), "--store", str(tmp_path / "store"),
    ]  # fmt: skip
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output + result.stderr
    assert "fifteen joints" in (tmp_path / "out" / "tables" / "run.md").read_text()


@pytest.mark.parametrize(
    ("name", "absent", "notes"),
    [
        ("arm", {"symmetry"}, ["symmetric: no bone of the skeleton has a mirror image"]),
        ("hand", {"symmetry", "bone_length"}, ["bones: the skeleton has none"]),
    ],
)
def test_a_skeleton_without_mirrored_bones_has_no_metric_of_them(
    installed: Path, tmp_path: Path, name: str, absent: set[str], notes: list[str]
) -> None:
    data = ["--data-root", str(installed)]
    command = [
        "run", "--method", "mean_pose", "--data", name, *data, "--device", "cpu", "--set", "data.detections=gt",
        "--out", str(tmp_path / "out"), "--store", str(tmp_path / "store"),
    ]  # fmt: skip
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output + result.stderr
    (record,) = Store(tmp_path / "store").records().values()
    assert {metric.name for metric in all_metrics()} - {value.metric for value in record.values} == absent
    assert "nan" not in (tmp_path / "out" / "tables" / "run.md").read_text().lower()
    checked = CliRunner().invoke(app, ["data", "check", name, *data])
    for note in [*notes, "facing: the skeleton lacks knees"]:
        assert f"note    {note}" in checked.output
    assert "problem" not in checked.output


def test_the_reader_that_the_page_shows_reads(tmp_path):
    (code,) = re.findall(
        r"```python\n# bench/data/mine/reader.py\n(.*?)```", (ROOT / "docs/data.md").read_text(), re.DOTALL
    )
    names: dict = {}
    exec(code, names)
    body = np.random.default_rng(0).normal((0, 0, 1), 0.3, (17, 3))
    ahead = np.linspace(0, 1, 400)[:, None, None] * (0, 0.3, 0)
    np.savez(tmp_path / "poses.npz", **{f"{subject}/Walk": body + ahead for subject in "ABC"})
    data = names["Mine"]().load(tmp_path, "gt", {"every": 2})
    (take,) = data.test
    assert (len(data.train), take.fps, take.pose_3d.shape) == (2, 25.0, (200, 17, 3))
    left, right = take.pose_2d[[0, -1], 0, 0]
    assert left > right, "who walks to +y walks to the left of a camera that looks to +x"
    assert np.median(take.trajectory[:, 2]) == pytest.approx(5, abs=0.7), "metres before the camera"
