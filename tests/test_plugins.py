"""One package outside the repository adds one of each concept, and finds them in tables, figures and the page."""

import base64
import gzip
import re

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.config.registry import AGGREGATIONS, DATASETS, EXECUTORS, LAYOUTS, METHODS, METRICS
from bench.job import pipeline

PACKAGE = '''
from matplotlib.figure import Figure

from bench.data.reader import Reader
from bench.protocol.aggregation import Aggregation
from bench.protocol.metrics import Metric
from bench.results.record import GroundTruth
from bench.sweep.executors.local import Local
from models.skeleton import HUMAN36M
from reports.figures.style import Drawing
from reports.tables.layout import Layout
from reports.tables.runs.runs import runs
from tests.bench import toy


class Lifter(toy.Toy):
    title = "My lifter"


class Walks(Reader):
    """Random walks."""

    name = "walks"
    skeleton = HUMAN36M
    detections = ("exact",)

    def read(self, root, detections, *, frames: int = 40):
        train, test = (
            tuple(toy.sequence(who, action, "a", frames) for who in subjects for action in ("Walking", "Eating"))
            for subjects in ("AB", "C")
        )
        return self.dataset(train, test, label="My walks", detections=detections)


def depth_errors(pred, target):
    return (pred - target)[..., 2].abs() * 1000


DEPTH = Metric("depth", "Depth error", "mm", "joint", depth_errors)
FIRST = Aggregation("First", GroundTruth(), "the first hypothesis", pose=lambda pred, truth: pred[:, :, 0])


def drawing(records):
    figure = Figure()
    figure.text(0, 0, ", ".join(record.title for record in records))
    return [Drawing("mine", figure, "What my package draws.")]


LAYOUT = Layout("my_layout", runs, figures=(drawing,))


class Here(Local):
    """In this process; it writes down what it was given."""

    def submit(self, task, attempt):
        with (self.root / "submitted.txt").open("a") as file:
            print(task.kind, file=file)
        super().submit(task, attempt)
'''
ADDED = {
    "methods": (METHODS, "mine", "Lifter"),
    "datasets": (DATASETS, "walks", "Walks"),
    "metrics": (METRICS, "depth", "DEPTH"),
    "aggregations": (AGGREGATIONS, "First", "FIRST"),
    "layouts": (LAYOUTS, "my_layout", "LAYOUT"),
    "executors": (EXECUTORS, "here", "Here"),
}
ABLATION = """
title: What my package adds
layout: my_layout
base:
  data: {name: walks, detections: exact}
  training: {epochs: 1, least_steps: 1, selection: last}
  evaluation: {hypotheses: 2, steps: 1, windows: 2}
axes: {method.name: plugins}
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The package as pip would install it: a module, and entry points in its metadata."""
    site = tmp_path / "site-packages"
    metadata = site / "my_package-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "my_package.py").write_text(PACKAGE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    lines = [f"[lifting_bench.{group}]\n{name}=my_package:{thing}\n" for group, (_, name, thing) in ADDED.items()]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(pipeline, "LATENCY_INPUTS", 1)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def content_of(page):
    """What a page shows, as JSON."""
    packed = re.search(r'id="content"[^>]*>([^<]+)<', page).group(1)
    return gzip.decompress(base64.b64decode(packed)).decode()


def test_one_of_each_concept_stands_in_tables_figures_and_page(installed, tmp_path):
    for registry, name, _ in ADDED.values():
        assert registry.plugin_names() == [name]
    (tmp_path / "mine.yaml").write_text(ABLATION)
    store, out = tmp_path / "store", tmp_path / "out"
    arguments = [
        "ablate",
        tmp_path / "mine.yaml",
        "--rounds",
        "1",
        "--executor",
        "here",
        "--store",
        store,
        "--out",
        out,
    ]
    result = CliRunner().invoke(app, [*map(str, arguments), "--device", "cpu"])
    assert result.exit_code == 0, result.output + result.stderr

    assert set((store / "submitted.txt").read_text().split()) >= {"train", "evaluate"}
    table = (out / "tables" / "mine.md").read_text()
    for words in ("What my package adds", "My lifter", "Depth error", "First", "My walks"):
        assert words in table, words
    assert (out / "figures" / "mine-mine.png").exists()
    assert "What my package draws." in (out / "figures" / "mine-mine.txt").read_text()
    page = content_of((out / "index.html").read_text())
    for words in ("My lifter", "Depth error", "First", "My walks"):
        assert words in page, words
