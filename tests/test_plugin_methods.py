"""The tutorial's project is installed by pip; its methods stand in every table and figure of declared runs."""

import os
import shutil
import subprocess
import sys

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from typer.testing import CliRunner

from ablations.declared import read
from bench.cli import app
from bench.config.registry import METHODS
from bench.job import pipeline
from tests import ROOT
from tests.bench import conftest as harness

toy_suite, quick_start, empty_database = harness.toy_suite, harness.quick_start, harness.empty_database

PROJECT = ROOT / "examples" / "my-lifter"
ENTRY = 'mine = "my_lifter:MyLifter"'
SAMPLER = '''

class MySampler(MyLifter):
    """The same pose again and again."""

    title = "My sampler"
    probabilistic = True

    def predict(self, batch, sampling):
        return super().predict(batch, sampling).expand(-1, sampling.steps, sampling.hypotheses, -1, -1, -1)
'''
NEED_HYPOTHESES = {"methods-oracle-gap", "methods-convergence"}
QUICK = (
    "training.epochs=2",
    "training.least_steps=1",
    "evaluation.windows=2",
    "evaluation.hypotheses=2",
    "data.detections=cpn",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which pip has installed the tutorial's project, with one more method in it."""
    place = tmp_path_factory.mktemp("tutorial")
    project = shutil.copytree(PROJECT, place / "project")
    with (project / "my_lifter.py").open("a") as module:
        module.write(SAMPLER)
    settings = (project / "pyproject.toml").read_text()
    both = f'{ENTRY}\nsampler = "my_lifter:MySampler"'
    (project / "pyproject.toml").write_text(settings.replace(ENTRY, both))
    alone = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *alone, "--target", str(place / "site"), str(project)]
    subprocess.run(command, check=True)
    return place / "site"


@pytest.fixture
def installed(tmp_path, monkeypatch, toy_suite, site):
    """The tutorial's project is installed."""
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(pipeline, "LATENCY_INPUTS", 1)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert METHODS.plugin_names() == ["mine", "sampler"]
    return tmp_path


def test_the_tests_of_the_project_pass(site):
    places = os.pathsep.join([str(site), str(ROOT)])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(PROJECT)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": places}, capture_output=True, text=True, check=False
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


@pytest.fixture
def drawn(monkeypatch):
    """The texts of figures by the name of the file that they are saved in."""
    found = {}
    save = Figure.savefig

    def savefig(figure, path, **options):
        found[path.stem] = " ".join(text.get_text() for text in figure.findobj(Text))
        save(figure, path, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return found


@pytest.fixture
def quick_neighbours(monkeypatch):
    """The suite has few methods, of which the larger ones are the toy one: what is tested stands beside them."""
    for name in METHODS.own.keys() - {"mean_pose", "nearest_pose", "tcn", "d3dp", "finepose"}:
        monkeypatch.delitem(METHODS.own, name)
    for name in ("nearest_pose", "d3dp", "finepose"):
        monkeypatch.setitem(METHODS.own, name, "tests.bench.toy:Toy")


def test_plugins_stand_in_every_table_and_figure(installed, drawn, quick_neighbours):
    overrides = [text for setting in QUICK for text in ("--set", setting)]
    folders = ["--store", str(installed / "store"), "--out", str(installed / "out")]
    result = CliRunner().invoke(
        app, ["ablate", "methods", "--rounds", "1", "--workers", "1", *overrides, *folders]
    )
    assert result.exit_code == 0, result.output + result.stderr
    tables = {path.stem: path.read_text() for path in (installed / "out" / "tables").glob("*.csv")}
    assert {"methods", "methods-cost", "methods-actions", "methods-oracle-gap", "register"} <= tables.keys()
    assert {"latency", "methods-training"} <= drawn.keys()
    captions = {path.stem: path.read_text() for path in (installed / "out" / "figures").glob("*.txt")}
    figures = {name: f"{captions[name]} {text}" for name, text in drawn.items()}
    places = [*tables.items(), *figures.items()]
    assert [name for name, text in places if "My sampler" not in text] == []
    assert {name for name, text in places if "My lifter" not in text} <= NEED_HYPOTHESES


@pytest.mark.parametrize(
    "name", ["methods", "methods=complete", "sampling", "audit", "detections", "mpi_inf_3dhp"]
)
def test_declared_ablations_keep_a_place_for_plugins(name, installed):
    methods = {experiment.method.name for experiment in read(name).expand()}
    assert "sampler" in methods
    assert ("mine" in methods) == (name != "sampling"), "one without hypotheses has nothing to sweep"


def test_a_plugin_that_cannot_be_imported_does_not_stop_the_others(installed, monkeypatch):
    metadata = installed / "more-packages" / "gone-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: gone\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[lifting_bench.methods]\nbroken=nowhere:Broken\n")
    monkeypatch.syspath_prepend(metadata.parent)
    with pytest.warns(UserWarning, match="method 'broken' of gone .*cannot be imported.*No module named"):
        methods = {experiment.method.name for experiment in read("methods").expand()}
    assert {"mine", "sampler", "tcn"} <= methods
    assert "broken" not in methods


def test_a_search_keeps_a_place_for_plugins(installed):
    assert {"method.name": "mine"} in read("pareto=small").axes["method"]


def test_without_plugins_the_places_are_empty():
    for name in ("methods", "sampling", "pareto=small"):
        assert "plugins" not in str(read(name).axes)
