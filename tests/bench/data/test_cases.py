"""Inputs that failed for users: read rightly, or refused in one sentence by ``run`` as by ``data check``."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.data import load
from bench.data.human36m.keypoints import conversion_note
from bench.data.inspect.at_load import check_at_load
from bench.data.layouts import LAYOUTS
from bench.data.sequence import Dataset
from tests import SHARED
from tests.hostile import LONGEST

MAKE = SHARED / "cases" / "make"
pytestmark = pytest.mark.skipif(not MAKE.is_dir(), reason=f"no files in {MAKE}")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that ``make`` fills."""
    monkeypatch.syspath_prepend(str(MAKE))
    return tmp_path / "made"


def make(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, *kind: str) -> None:
    (script,) = MAKE.glob(f"{name}_*.py")
    monkeypatch.setattr(sys, "argv", [str(script), str(folder), *kind])
    runpy.run_path(str(script), run_name="__main__")
    sys.modules.pop("common", None)


def usable(folder: Path, detections: str) -> Dataset:
    return check_at_load(load("human36m", folder, detections), "here")


def test_01_coco_s_order_is_converted_and_named(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(made, monkeypatch, "01")
    assert conversion_note(LAYOUTS["coco"]) in usable(made, "detectron_pt_coco").notes


@pytest.mark.parametrize("mark", ["-", "_"])
def test_09_takes_have_their_usual_names(made: Path, monkeypatch: pytest.MonkeyPatch, mark: str) -> None:
    make(made, monkeypatch, "09", mark)
    dataset = usable(made, "cpn")
    assert {sequence.action_class for sequence in dataset.train} == {"Walking", "WalkDog", "Photo"}
    assert {sequence.take for sequence in dataset.test if sequence.subject == "S9"} == {
        "S9/Walking 1", "S9/Walking 2", "S9/WalkDog 1",
    }  # fmt: skip


def test_12_longer_detections_are_cut(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(made, monkeypatch, "12", "longer")
    assert {len(sequence) for sequence in usable(made, "mine").test} == {90}


@pytest.mark.parametrize(
    ("case", "detections", "words"),
    [
        ("06", "cpn", "in metres?"),
        ("07", "cpn", "as large as these: pixels of another image size, or no pixels"),
        ("12 custom", "mine", "subject output.mp4 is none of S1, S5"),
        ("12 raw", "mine", "has no key 'positions_2d' but boxes, keypoints"),
        ("12 html", "mine", "is a web page"),
        ("12 lfs", "mine", "is a pointer of Git LFS"),
        ("12 npy", "mine", "is a single array (.npy)"),
        ("12 mono17", "mine", "is float32 [90, 17, 3], no numbers [frames, 32, 3]"),
        ("12 swapped", "mine", "other cameras, takes or frames"),
        ("12 every5th", "mine", "18 frames of 2D for 90 of 3D"),
    ],
)
def test_what_cannot_be_right_is_one_sentence_of_run(
    made: Path, monkeypatch: pytest.MonkeyPatch, case: str, detections: str, words: str
) -> None:
    make(made, monkeypatch, *case.split())
    asked = ["--data", "human36m", "--data-root", str(made), "--set", f"data.detections={detections}"]
    result = CliRunner().invoke(app, ["run", "--method", "mean_pose", "--store", str(made / "store"), *asked])
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert len(result.stderr) < LONGEST + 100
