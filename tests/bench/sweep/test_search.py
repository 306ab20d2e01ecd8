"""A search over the product of some axes: what is tried, what is left out, what is shared."""

import re
import sqlite3
import time

import optuna
import pytest
from optuna import Study
from optuna.exceptions import StorageInternalError
from optuna.samplers import GridSampler
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from bench.config.experiment import parse
from bench.results.tracking import connection
from bench.sweep import search as module
from bench.sweep.executors.local import Local
from bench.sweep.run import run
from bench.sweep.search import Search, Space, best, dominating, search
from bench.sweep.studies import GRACE_SECONDS, open_studies
from models.errors import InputError
from tests.bench.toy import Toy
from tests.bench.toy_jobs import job

AXES = {"hypotheses": (1, 2, 4), "steps": (1, 2)}


@pytest.fixture
def store(toy_store):
    return toy_store


def space(trials=6, resolved=None, minutes=None, **how):
    """All pairs of H and K; ``resolved`` gets every choice that is turned into an experiment."""

    def experiment(chosen):
        values = {name: AXES[name][index] for name, index in chosen.items()}
        if resolved is not None:
            resolved.append(tuple(values.values()))
        described = {"hypotheses": values["hypotheses"], "steps": values["steps"], "windows": 4}
        return parse({"method": {"name": "toy"}, "training": {"epochs": 1}, "evaluation": described})

    axes = {name: len(values) for name, values in AXES.items()}
    return Space("key", axes, experiment, Search(trials=trials, **how), minutes)


@pytest.mark.parametrize("sampler", ["grid", "tpe", "nsga2"])
def test_as_many_are_tried_as_asked_for(store, sampler):
    with Local(store.root) as executor:
        found = search(space(trials=4, sampler=sampler), store, "cpu", executor)
        tried = set(found.ids)
        assert 1 <= len(tried) <= 4
        assert set(store.records(tried)) | set(found.missing) == tried
        assert search(space(trials=4, sampler=sampler), store, "cpu", executor) == found, "it goes on where it was"


def test_a_study_and_its_objectives_have_readable_names(store):
    with Local(store.root) as executor:
        search(space(trials=1), store, "cpu", executor)
    (summary,) = open_studies(store.root).get_all_studies()
    assert re.fullmatch("search grid [0-9a-f]+", summary.study_name)
    study = optuna.load_study(storage=open_studies(store.root), study_name=summary.study_name)
    assert study.metric_names == ["MPJPE (mm)", "ms per frame", "peak memory (MB)"]


def test_a_study_of_an_earlier_version_goes_on(store):
    """It is called by its identity alone, and its objectives have no names."""
    with Local(store.root) as executor:
        search(space(trials=1), store, "cpu", executor)
        storage = open_studies(store.root)
        (summary,) = storage.get_all_studies()
        old = summary.study_name.split()[-1]
        optuna.copy_study(
            from_study_name=summary.study_name, from_storage=storage, to_storage=storage, to_study_name=old
        )
        optuna.delete_study(study_name=summary.study_name, storage=storage)
        search(space(trials=2), store, "cpu", executor)
    (kept,) = open_studies(store.root).get_all_studies()
    assert kept.study_name == old
    assert len(optuna.load_study(storage=storage, study_name=old).trials) == 2


def test_a_grid_ends_when_all_of_it_was_tried(store):
    with Local(store.root) as executor:
        found = search(space(trials=50), store, "cpu", executor)
    assert len(found.ids) == 6
    assert not found.missing


def test_what_is_dominated_is_not_run_and_says_why(store, monkeypatch):
    monkeypatch.setattr(module, "dominating", lambda job, cost, known, margin: next(iter(known.values()), None))
    with Local(store.root) as executor:
        found = search(space(trials=2, margin=0.0), store, "cpu", executor)
    first, second = found.ids
    (better,) = store.records().values()
    assert better.id == first
    size = f"H={better.conditions.hypotheses} K={better.conditions.steps}"
    reason = f"pruned: Toy ({size}) is no slower, no larger and 0% better than the best so far"
    assert {name: entry.reason for name, entry in found.missing.items()} == {second: reason}
    (summary,) = optuna.get_all_study_summaries(open_studies(store.root))
    study = optuna.load_study(storage=open_studies(store.root), study_name=summary.study_name)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.PRUNED]


def test_every_trial_is_resolved_once(store):
    resolved = []
    with Local(store.root) as executor:
        search(space(resolved=resolved), store, "cpu", executor)
    assert sorted(resolved) == sorted((h, k) for h in AXES["hypotheses"] for k in AXES["steps"])


def test_what_was_run_for_another_table_is_not_run_again(store):
    jobs = [job(evaluation={"hypotheses": h, "steps": k}) for h in AXES["hypotheses"] for k in AXES["steps"]]
    run(jobs, store, "cpu")
    before = store.records()
    with Local(store.root) as executor:
        found = search(space(), store, "cpu", executor)
    assert set(found.ids) == {one.id for one in jobs}
    assert not found.missing
    assert store.records() == before


def test_trials_that_are_done_take_no_place_among_those_at_once(store, monkeypatch):
    """Two trainings that are left are done by two workers at once, wherever they lie in the grid."""
    done = [job(evaluation={"hypotheses": h, "steps": k}) for h in (1, 4) for k in AXES["steps"]]
    run(done, store, "cpu")
    batches, real = [], module.run

    def watched(jobs, *rest, **more):
        batches.append(list(jobs))
        return real(batches[-1], *rest, **more)

    monkeypatch.setattr(module, "run", watched)
    monkeypatch.setattr(module, "dominating", lambda *known: None)
    with Local(store.root) as executor:
        executor.slots = 2
        search(space(), store, "cpu", executor)
    new = [len({one.id for one in batch} - {one.id for one in done}) for batch in batches]
    assert [number for number in new if number] == [2]


def test_what_fails_and_what_is_no_experiment_is_an_outcome(store, monkeypatch):
    usual = space().experiment

    def experiment(chosen):
        if AXES["steps"][chosen["steps"]] == 2:
            raise InputError("two steps are not possible")
        return usual(chosen)

    real = Toy.predict

    def predict(self, batch, sampling):
        if sampling.hypotheses == 4:
            raise ZeroDivisionError("division by zero")
        return real(self, batch, sampling)

    monkeypatch.setattr(Toy, "predict", predict)
    one_step = space()
    one_step = Space(one_step.key, one_step.axes, experiment, one_step.how)
    with Local(store.root) as executor:
        found = search(one_step, store, "cpu", executor)
    assert len(found.ids) == 3
    failed = job(evaluation={"hypotheses": 4, "steps": 1})
    assert found.missing[failed.id].reason == "failed: error: ZeroDivisionError: division by zero"
    monkeypatch.setattr(Toy, "predict", real)
    with Local(store.root) as executor:
        assert failed.id in search(one_step, store, "cpu", executor).missing, "it is not tried again unasked"
        again = search(one_step, store, "cpu", executor, retry_failed=True)
        assert (set(again.ids), again.missing) == (set(found.ids), {})
        trials = optuna.get_all_study_summaries(open_studies(store.root))[0].n_trials
        search(one_step, store, "cpu", executor, retry_failed=True)
        assert optuna.get_all_study_summaries(open_studies(store.root))[0].n_trials == trials, (
            "nothing is left to try again"
        )


def test_a_trial_that_was_lost_and_its_repetition_count_once(store):
    """Two programs were killed while each did a trial: as many experiments are tried as asked for."""
    with Local(store.root) as executor:
        search(space(trials=1, minutes=-1.0), store, "cpu", executor)  # makes the study
        storage = open_studies(store.root)
        (name,) = optuna.get_all_study_names(storage)
        values = {axis: list(range(len(AXES[axis]))) for axis in AXES}
        study = optuna.load_study(storage=storage, study_name=name, sampler=GridSampler(values, seed=0))
        for _ in range(2):
            trial = study.ask()
            for axis in AXES:
                trial.suggest_categorical(axis, values[axis])
            storage.record_heartbeat(trial._trial_id)
        with sqlite3.connect(store.root / "studies.db") as database:
            long_ago = f"-{GRACE_SECONDS + 1} seconds"
            database.execute("UPDATE trial_heartbeats SET heartbeat = datetime(heartbeat, ?)", (long_ago,))
        found = search(space(trials=3), store, "cpu", executor)
    assert [trial.state for trial in study.get_trials()].count(TrialState.FAIL) == 2
    assert len(found.ids) == 3


def test_what_is_tried_again_takes_no_place_of_another_experiment(store, monkeypatch):
    def predict(self, batch, sampling):
        raise ZeroDivisionError("division by zero")

    with Local(store.root) as executor:
        with monkeypatch.context() as patch:
            patch.setattr(Toy, "predict", predict)
            failed = search(space(trials=2), store, "cpu", executor)
        assert all(entry.failed for entry in failed.missing.values())
        found = search(space(trials=4), store, "cpu", executor, retry_failed=True)
    assert set(failed.ids) < set(found.ids)
    assert len(found.ids) == 4


@pytest.mark.parametrize(
    ("owner", "name"),
    [(RDBStorage, "get_trial_id_from_study_id_trial_number"), (GridSampler, "is_exhausted"), (Study, "tell")],
)
def test_a_database_that_is_away_for_a_moment_is_waited_for(store, owner, name, monkeypatch):
    """At whichever call: each of them fails every second time."""
    monkeypatch.setattr(connection, "WAITS_SECONDS", (0.0,))
    real, calls = getattr(owner, name), []

    def flaky(self, *arguments, **more):
        calls.append(name)
        if len(calls) % 2:
            raise StorageInternalError("database is locked")
        return real(self, *arguments, **more)

    monkeypatch.setattr(owner, name, flaky)
    with Local(store.root) as executor:
        assert len(search(space(trials=2), store, "cpu", executor).ids) == 2
    assert calls


def test_nothing_begins_after_the_minutes_are_over(store, monkeypatch):
    moments = iter([0.0, 30.0, 61.0])
    clock = type("Clock", (), {"monotonic": staticmethod(lambda: next(moments))})
    monkeypatch.setattr(module, "time", clock)
    with Local(store.root) as executor:
        found = search(space(minutes=1), store, "cpu", executor)
    assert len(found.ids) == 1


def test_what_cannot_be_better_is_dominated(store):
    few, many = (job(evaluation={"hypotheses": h}) for h in (1, 4))
    records = run([few, many], store, "cpu").records
    known = {few.id: records[few.id]}
    error, milliseconds, megabytes = best(records[few.id])

    def measured(time_factor, memory_factor):
        cost = records[few.id].cost
        latency = cost.latency.model_copy(update={"median_ms": milliseconds * cost.latency.frames * time_factor})
        changed = cost.model_copy(update={"latency": latency, "peak_memory_mb": megabytes * memory_factor})
        return module.Measurement(cost=changed, environment=records[few.id].environment)

    assert error > 0
    assert dominating(many, measured(2, 2), known, margin=0.0) == records[few.id]
    assert dominating(many, measured(1, 1), known, margin=0.0) == records[few.id], "equal is no better"
    assert dominating(many, measured(0.5, 2), known, margin=0.0) is None, "it may be faster"
    assert dominating(many, measured(2, 0.5), known, margin=0.0) is None, "it may be smaller"
    assert dominating(many, measured(2, 2), known, margin=0.05) is None, "it may be more accurate"
    assert dominating(many, measured(2, 2), {}, margin=0.0) is None
    here = records[few.id]
    elsewhere = here.model_copy(update={"environment": here.environment.model_copy(update={"device": "a GPU"})})
    assert dominating(many, measured(2, 2), {few.id: elsewhere}, margin=0.0) is None, "times of another device"


@pytest.fixture
def of_another_program(store):
    """A trial that another program has begun, beside one that is over; what it tries, and how that ends."""
    with Local(store.root) as executor:
        search(space(trials=1), store, "cpu", executor)
    storage = open_studies(store.root)
    (summary,) = storage.get_all_studies()
    study = optuna.load_study(storage=storage, study_name=summary.study_name)
    (done,) = study.trials
    study.enqueue_trial(
        {name: (index + 1) % len(AXES[name]) for name, index in done.params.items()}
    )  # another one
    trial = study.ask()
    indices = {name: trial.suggest_categorical(name, list(range(len(AXES[name])))) for name in AXES}
    wanted = job(evaluation={name: AXES[name][index] for name, index in indices.items()})

    def end():
        run([wanted], store, "cpu")
        study.tell(trial, [1.0, 1.0, 1.0])

    return wanted, end


def test_the_last_trials_of_another_program_are_waited_for(store, of_another_program, monkeypatch):
    wanted, end = of_another_program
    clock = type("Clock", (), {"monotonic": staticmethod(time.monotonic), "sleep": staticmethod(lambda _: end())})
    monkeypatch.setattr(module, "time", clock)
    with Local(store.root) as executor:
        found = search(space(trials=2), store, "cpu", executor)
    assert wanted.id in found.ids
    assert set(store.records(found.ids)) | set(found.missing) == set(found.ids)
    assert wanted.id not in found.missing


def test_a_trial_that_another_program_is_trying_has_that_reason(store, of_another_program):
    wanted, _ = of_another_program
    with Local(store.root) as executor:
        found = search(space(trials=2, minutes=-1.0), store, "cpu", executor)
    assert found.missing[wanted.id].reason == "another program is trying it"
    assert not found.missing[wanted.id].failed
