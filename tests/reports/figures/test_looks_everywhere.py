"""A method has its colour and marker in every figure of every layout; figures of numbers use no such colour."""

import itertools

import numpy as np
import pytest
from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from bench.config.registry import LAYOUTS
from bench.results.arrays import RunFiles
from reports.figures.accuracy.breakdown import errors_by_action
from reports.figures.accuracy.error_cdf import error_distribution
from reports.figures.accuracy.oracle_gap import oracle_beside_deployable
from reports.figures.accuracy.per_joint import errors_by_joint
from reports.figures.accuracy.qualitative import example_poses
from reports.figures.accuracy.sampling import convergence, error_by_hypotheses, error_by_steps, error_heatmap
from reports.figures.cost.accuracy_cost import latency_accuracy, memory_accuracy
from reports.figures.cost.pareto import pareto_front_figure
from reports.figures.cost.scaling import growth
from reports.figures.evidence.ranks import critical_differences, paired_differences
from reports.figures.looks import COLOURS, MARKERS, looks_of
from reports.figures.runs.training_curves import error_by_compute, training_curves
from reports.page.content import content
from reports.rules.comparability import headline
from reports.rules.names import method_name
from tests.reports.made_up import counted, examples, record, runset, several
from tests.reports.tables.test_scaling import grid

LINES = (
    latency_accuracy, memory_accuracy, pareto_front_figure, convergence, error_by_hypotheses, error_by_steps,
    critical_differences, oracle_beside_deployable, training_curves, error_by_compute, growth, error_distribution,
)  # fmt: skip
"""Figures in which a method is drawn in its look."""

NUMBERS = (error_heatmap, errors_by_action, errors_by_joint, paired_differences, example_poses)
"""Figures that name methods in words: colours say how large an error is, or which side of a body is drawn."""

OF_FILES = (error_distribution, errors_by_joint, example_poses)
"""They read the arrays beside the records too."""


def samplings(method, **changes):
    sizes = itertools.product((1, 2), (1, 2))
    return [record(method, hypotheses=h, steps=k, mean=55 + 3 / k + 2 / h, **changes) for h, k in sizes]


@pytest.fixture(scope="module")
def made():
    """Three methods and a variant of one, at several H and K, each of several trainings."""
    runs = [record("tcn"), *samplings("d3dp"), *samplings("finepose"), *samplings("finepose", variant="fpp=False")]
    return [counted(several(with_joints(run))) for run in runs]


def with_joints(made):
    joints = examples(made).joints
    values = tuple(value.model_copy(update={"per_joint": (40.0,) * len(joints)}) for value in made.values)
    return made.model_copy(update={"values": values, "data": made.data.model_copy(update={"joints": joints})})


@pytest.fixture(scope="module")
def files(made, tmp_path_factory):
    files = RunFiles(tmp_path_factory.mktemp("store"))
    for run in made:
        examples(run).save(files.examples_path(run.id))
        path = files.errors_path(run.id)
        path.parent.mkdir(exist_ok=True)
        np.savez(path, **{f"frames/mpjpe/{headline(run) or ''}": np.arange(99.0)})
    return files


@pytest.fixture(scope="module")
def sizes():
    """What the figure of growth shows: methods at several sizes."""
    variants = [run.model_copy(update={"variant": "fpp=False"}) for run in grid(method="finepose")]
    return [*grid(), *grid(method="finepose"), *variants]


def test_every_figure_of_every_layout_is_looked_at_here():
    layouts = [LAYOUTS.load(name) for name in LAYOUTS.own]
    layouts += [companion for layout in layouts for companion in layout.companions]
    there = {
        draw
        for layout in layouts
        for draw in (*layout.figures, *layout.figures_of_runs, *layout.figures_with_missing, *layout.pictures)
    }
    assert there | {latency_accuracy, memory_accuracy} == {*LINES, *NUMBERS}


@pytest.mark.parametrize("drawer", LINES, ids=lambda drawer: drawer.__name__)
def test_what_a_figure_lacks_without_a_method_has_the_look_of_the_method(drawer, made, sizes, files):
    runs = sizes if drawer is growth else made
    looks = looks_of(runs)
    traces = [
        trace
        for plot in content(runset(), runs, {})["plots"]
        for trace in [*plot["traces"], *plot["trivial"]]
        if "text" in trace
    ]
    on_page = {trace["name"]: trace["marker"]["color"] for trace in traces}
    trained = {} if drawer is growth else {name: look.colour for name, look in looks.items()}
    assert on_page == trained, "the page has the same"
    faces = {name: face(look) for name, look in looks.items()}
    rings = {(look.colour, "o", "white") for look in looks.values() if drawer is oracle_beside_deployable}
    colours, marks = shown(drawer, runs, files)
    assert marks <= {*faces.values()} | rings
    for name in ("D3DP", "FinePOSE w/o FPP"):
        colours_left, marks_left = shown(drawer, [run for run in runs if method_name(run) != name], files)
        assert colours - colours_left <= {looks[name].colour}
        assert {faces[name]} <= marks - marks_left <= {faces[name]} | rings


def face(look):
    return look.colour, look.marker, look.colour if look.filled else "white"


def shown(drawer, runs, files):
    """Colours of methods, and (colour, marker, face) of all that is marked in one of them, legends included."""
    lines = [line for one in drawings(drawer, runs, files) for line in one.figure.findobj(Line2D)]
    known, drawn = set(MARKERS), {str(line.get_color()) for line in lines} & set(COLOURS)
    marked = [line for line in lines if line.get_marker() in known and line.get_markeredgecolor() in COLOURS]
    marks = {(line.get_markeredgecolor(), line.get_marker(), line.get_markerfacecolor()) for line in marked}
    return drawn | {colour for colour, *_ in marks}, marks


def drawings(drawer, runs, files):
    found = list(drawer(runs, files) if drawer in OF_FILES else drawer(runs))
    assert found
    return found


@pytest.mark.parametrize("drawer", NUMBERS, ids=lambda drawer: drawer.__name__)
def test_a_figure_of_numbers_has_no_colour_of_a_method(drawer, made, files):
    for drawing in drawings(drawer, made, files):
        shapes = drawing.figure.findobj(Collection)
        grounds = [colour for shape in shapes for colour in [*shape.get_facecolor(), *shape.get_edgecolor()]]
        lines = [line.get_color() for line in drawing.figure.findobj(Line2D)]
        assert not {to_hex(colour).upper() for colour in [*grounds, *lines]} & set(COLOURS)
