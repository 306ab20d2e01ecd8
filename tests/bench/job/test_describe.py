"""What a record says of the numbers in it."""

import subprocess
from dataclasses import replace
from unittest.mock import Mock

import pytest

import bench.data
from bench.config.experiment import parse
from bench.job import describe
from bench.job.resolve import resolve
from bench.protocol.aggregation import computed_aggregations
from bench.results.record import Record
from bench.sweep.run import run
from models.lifter import TINY_RECIPE, Preset
from models.skeleton import MPI_INF_3DHP
from tests.bench.toy import Toy, ToyConfig
from tests.bench.toy_jobs import job


@pytest.fixture
def store(toy_store):
    return toy_store


def test_a_record_carries_its_conditions(store):
    wanted = job(evaluation={"hypotheses": 2, "steps": 2, "detections": "gt", "allow_other_detections": True})
    record = run([wanted], store, "cpu").records[wanted.id]
    assert record.data.label == "toy motion"
    assert (record.data.train_detections, record.data.test_detections) == ("cpn", "gt")
    assert record.data.subset == "4 of 40 windows, evenly spread"
    assert record.data.test_subjects == ("S9",)
    assert (record.conditions.hypotheses, record.conditions.steps) == (2, 2)
    assert record.conditions.selection == "validation"
    assert record.input_frames == wanted.build().input_frames
    kinds = {value.aggregation: value.kind for value in record.values}
    assert kinds == {entry.name: entry.kind for entry in computed_aggregations()}
    best = record.value("mpjpe", "J-Best")
    assert best is not None
    assert best.low <= best.action_mean <= best.high
    assert set(best.per_action) == {"Walking", "Eating"}
    assert best.action_mean == pytest.approx(sum(best.per_action.values()) / 2)
    assert best.looks_at.names == ("pose", "2D pose")
    assert (record.conditions.tail, record.conditions.best_over) == ("each frame once", "window")
    assert [take.name for take in record.data.takes] == ["S9/Eating", "S9/Eating 1", "S9/Walking", "S9/Walking 1"]
    assert record.metric_versions.keys() == {value.metric for value in record.values}


def test_records_survive_their_json(store):
    wanted = job()
    record = run([wanted], store, "cpu").records[wanted.id]
    assert Record.model_validate_json(record.model_dump_json()) == record


def test_counterfactual_labels_share_the_training_and_are_named(store, monkeypatch):
    monkeypatch.setattr(Toy, "uses_action", True)
    jobs = [job(), job(evaluation={"actions": "wrong"}), job(evaluation={"options": {"noise": 0.5}})]
    outcome = run(jobs, store, "cpu")
    assert outcome.trained == 1
    plain, wrong, changed = (outcome.records[j.id] for j in jobs)
    assert (plain.variant, wrong.variant, changed.variant) == ("", "action label wrong", "noise=0.5")
    assert (plain.conditions.action_label_given, wrong.conditions.action_label_given) == (True, False)
    assert wrong.conditions.notes["action labels"] == "wrong"


def test_takes_without_a_label_tell_a_method_nothing(store, monkeypatch):
    monkeypatch.setattr(Toy, "uses_action", True)
    labelled = bench.data.load

    def unlabelled(*asked):
        data = labelled(*asked)
        return replace(data, test=tuple(replace(one, action=f"motion {one.action}") for one in data.test))

    monkeypatch.setattr(bench.data, "load", unlabelled)
    wanted = job()
    record = run([wanted], store, "cpu").records[wanted.id]
    assert not record.conditions.action_label_given
    assert not any(value.looks_at.action_label for value in record.values)


def test_a_metric_without_a_value_is_named_with_its_reason(store, monkeypatch):
    whole = bench.data.load

    def cut(*asked):
        data = whole(*asked)
        first, *others = data.test
        short = {name: getattr(first, name)[:2] for name in ("pose_2d", "pose_3d", "trajectory")}
        return replace(data, test=(replace(first, **short), *others))

    monkeypatch.setattr(bench.data, "load", cut)
    wanted = job()
    record = run([wanted], store, "cpu").records[wanted.id]
    assert {"mpjpe", "mpjve"} <= record.metrics.keys()
    assert "acceleration" not in record.metrics
    named = record.conditions.notes["not computed"]
    assert "Acceleration error needs 3 successive frames that count, and S9/Walking" in named


def test_the_recipe_of_a_release_is_a_condition(store, monkeypatch):
    monkeypatch.setattr(Toy, "published", {"gradient": "times_loss"}, raising=False)
    paper = {"method": {"preset": "paper"}, "evaluation": {"seed": 1}}  # the toy's presets are equal
    jobs = [job(), job(training={"recipe": "published"}), job(**paper), job(**paper, training={"recipe": "plain"})]
    records = [run([wanted], store, "cpu").records[wanted.id] for wanted in jobs]
    said = [record.conditions.notes.get("training recipe") for record in records]
    assert said == [name and f"{name}, but epochs = 1" for name in ("plain", "published", "published", "plain")]
    assert [record.conditions.words("Training recipe") for record in records] == ["", "published", "", "plain"]


ALTERED = {"epochs": 1, "learning_rate": 0.5, "optimizer": "adam", "flip": False, "batch_windows": 8}


@pytest.mark.parametrize("named", [{"recipe": "published"}, {}])
def test_what_an_experiment_alters_of_a_recipe_is_a_condition(named, store, monkeypatch):
    monkeypatch.setattr(Toy, "published", {"gradient": "times_loss"}, raising=False)
    wanted = resolve(parse({"method": {"name": "toy"}, "evaluation": {"windows": 4}, "training": ALTERED | named}))
    record = run([wanted], store, "cpu").records[wanted.id]
    name = named.get("recipe", "plain")
    altered = "epochs = 1, learning_rate = 0.5, optimizer = adam, batch_windows = 8, flip = false"
    assert record.conditions.notes["training recipe"] == f"{name}, but {altered}"
    usual = resolve(parse({"method": {"name": "toy"}, "training": named}))
    assert describe._recipe(usual) == ("published" if named else "")


def test_epochs_in_place_of_a_compute_are_named_where_their_number_is_the_presets(store, monkeypatch):
    preset = Preset(ToyConfig(), TINY_RECIPE)
    monkeypatch.setattr(Toy, "presets", {"tiny": preset})
    assert describe._recipe(resolve(parse({"method": {"name": "toy"}}))) == ""
    assert describe._recipe(job()) == "plain, but epochs = 1"


def test_a_published_recipe_is_named_as_that_for_human36m_on_other_joints(store, monkeypatch):
    monkeypatch.setattr(Toy, "published", {"gradient": "times_loss"}, raising=False)
    loaded = bench.data.load
    monkeypatch.setattr(bench.data, "load", lambda *asked: replace(loaded(*asked), skeleton=MPI_INF_3DHP))
    said = [describe._recipe(job(training={"recipe": recipe, "epochs": 3})) for recipe in ("published", "plain")]
    assert said == ["published for Human3.6M", ""]


def test_processes_that_trained_together_are_a_condition(store):
    wanted = job()
    info = run([wanted], store, "cpu").records[wanted.id].training
    errors = Mock(not_computed={})
    told = [
        describe._notes(wanted, wanted.build(), info.model_copy(update={"processes": n}), errors) for n in (1, 4)
    ]
    assert [notes.get("training processes") for notes in told] == [None, "4, each with its share of a step"]


@pytest.mark.parametrize(("place", "known"), [("", True), ("venv/lib/site-packages", False)])
def test_the_commit_is_that_of_the_suite_and_of_no_project_around_it(place, known, tmp_path, monkeypatch):
    module = tmp_path / place / "bench" / "job" / "describe.py"
    module.parent.mkdir(parents=True)
    monkeypatch.setattr(describe, "__file__", str(module))
    assert describe.git_commit.__wrapped__() == "unknown"
    nobody = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", *nobody, "commit", "-q", "--allow-empty", "-m", "x"], cwd=tmp_path, check=True)
    found = describe.git_commit.__wrapped__()
    assert len(found) == 12 if known else found == "unknown"
