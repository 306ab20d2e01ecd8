"""``predict`` and ``compare-on`` from the command line."""

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.config.experiment import parse
from bench.job.resolve import resolve
from bench.job.weights import train_or_load
from bench.results.store import Store
from tests.bench.footage import walker

SIZE = f"{walker.WIDTH}x{walker.HEIGHT}"


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Methods that are trained in a moment."""
    store = Store(tmp_path_factory.mktemp("store"))
    for name in ("nearest_pose", "mean_pose"):
        job = resolve(parse({"method": {"name": name}}))
        train_or_load(job.training, job.build(), store, "cpu")
    return store.root


@pytest.fixture
def trainings(store):
    return sorted(path.name for path in (store / "trainings").iterdir())


@pytest.fixture
def file(tmp_path):
    return walker.write_mmpose(tmp_path / "walk.json", [walker.in_layout("coco")])


def test_predict_writes_what_is_asked_for(file, store, trainings, tmp_path):
    out = tmp_path / "out"
    done = invoke(
        "predict", file, "--weights", trainings[0][:8], "--store", store, "--size", SIZE, "--fps", 50, "--fit",
        "--out", out, "--write", "npz,csv,bvh,png,html",
    )  # fmt: skip
    assert done.exit_code == 0, done.output + done.stderr
    assert {path.suffix for path in out.iterdir()} == {".npz", ".csv", ".bvh", ".png", ".html"}
    assert "note: fitted to the training" in done.stderr
    folder = store / "trainings" / trainings[0]
    (arrays,) = out.glob("*.npz")
    again = invoke("predict", arrays, "--weights", folder, "--out", tmp_path / "again", "--write", "npz")
    assert again.exit_code == 0, again.output + again.stderr
    assert np.load(next((tmp_path / "again").glob("*.npz")))["poses"].shape == (60, 17, 3)


def test_compare_on_writes_a_table(file, store, trainings, tmp_path):
    named = [word for name in trainings for word in ("--weights", name)]
    done = invoke("compare-on", file, *named, "--store", store, "--size", SIZE, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output + done.stderr
    table = (tmp_path / "out" / "own-footage.md").read_text()
    assert "Nearest pose" in table
    assert "Mean pose" in table
    assert "None of this is accuracy" in table
    assert not list((tmp_path / "out").glob(".lifting-*"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"--size": None}, "give --size WIDTHxHEIGHT"),
        ({"--size": "1920"}, "is not WIDTHxHEIGHT in pixels"),
        ({"--weights": "nothing"}, "is no folder, no file, and no training"),
        ({"--weights": "."}, "has no model.json"),
        ({"--weights": __file__}, "cannot be read as safetensors"),
        ({"--aggregation": "P-Best"}, "needs ground truth"),
        ({"--write": "fbx"}, "names 'fbx'; take some of npz"),
        ({"--layout": "smpl"}, "is not known; take human36m"),
        ({"--person": 9}, "--person 9: is not in"),
        ({"--device": "tpu"}, "is not a device"),
    ],
)
def test_bad_input_is_one_sentence(options, words, file, store, trainings, tmp_path):
    usual = {"--weights": trainings[0], "--store": store, "--size": SIZE, "--out": tmp_path / "out"}
    chosen = {key: value for key, value in (usual | options).items() if value is not None}
    done = invoke("predict", file, *(word for pair in chosen.items() for word in pair))
    assert done.exit_code == 2, done.output + done.stderr
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_file_that_is_something_else_is_one_sentence(store, trainings, tmp_path):
    other = tmp_path / "page.html"
    other.write_text("<!DOCTYPE html>")
    done = invoke("predict", other, "--weights", trainings[0], "--store", store)
    assert done.exit_code == 2
    assert "is no JSON: name a file of MMPose" in done.stderr
