"""The database of studies: opened before the work, refused in one sentence, and no trial lost."""

import os
import sqlite3
import threading
import time
from dataclasses import replace

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from bench.results.store import Store
from bench.results.tracking import connection
from bench.results.tracking.addresses import sqlite_address
from bench.results.tracking.mlflow_files import make_database
from bench.sweep import search as module
from bench.sweep import studies
from bench.sweep.executors.local import Local
from bench.sweep.search import search
from bench.sweep.studies import examine_studies, heartbeat, open_studies, store_name
from models.errors import InputError
from tests.bench.sweep.test_search import AXES, space


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    monkeypatch.delenv("LIFTING_BENCH_STUDIES", raising=False)
    monkeypatch.setattr(connection, "OPENING_SECONDS", 5.0)
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 5.0)


def test_the_studies_of_another_optuna_are_refused_with_its_own_advice(tmp_path):
    open_studies(tmp_path)
    for version, words in (("v3.0.0.d", "optuna storage upgrade"), ("v99", "pip install -U optuna")):
        with sqlite3.connect(tmp_path / "studies.db") as database:
            database.execute("UPDATE alembic_version SET version_num = ?", (version,))
        for ask in (open_studies, examine_studies):
            with pytest.raises(InputError, match=f"database of studies .*{words}"):
                ask(tmp_path)


@pytest.mark.parametrize("make", [lambda folder: make_database(folder / "made.db"), open_studies])
def test_a_group_may_write_the_databases_of_a_store_if_its_umask_says_so(tmp_path, make):
    before = os.umask(0o002)
    try:
        make(tmp_path)
    finally:
        os.umask(before)
    (database,) = tmp_path.glob("*.db")
    assert database.stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize("content", [b"garbage " * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_database_is_one_sentence(tmp_path, content):
    (tmp_path / "studies.db").write_bytes(content)
    for ask in (open_studies, examine_studies):
        with pytest.raises(InputError, match="database of studies .*not a database"):
            ask(tmp_path)
    assert (tmp_path / "studies.db").read_bytes() == content


def test_the_database_of_mlflow_is_refused_and_left_as_it_is(tmp_path, empty_database, monkeypatch):
    monkeypatch.setenv("LIFTING_BENCH_STUDIES", sqlite_address(empty_database))
    before = empty_database.read_bytes()
    for ask in (open_studies, examine_studies):
        with pytest.raises(InputError, match="holds MLflow's tables.*LIFTING_BENCH_STUDIES"):
            ask(tmp_path)
    assert empty_database.read_bytes() == before


@pytest.mark.parametrize("address", ["http://host", "redis://host", "nonsense"])
def test_what_is_no_database_is_refused(address, tmp_path, monkeypatch):
    monkeypatch.setenv("LIFTING_BENCH_STUDIES", address)
    with pytest.raises(InputError, match="is no address of a database"):
        open_studies(tmp_path)


def test_another_place_for_studies(toy_store, tmp_path, monkeypatch):
    monkeypatch.setenv("LIFTING_BENCH_STUDIES", sqlite_address(tmp_path / "elsewhere?.db"))
    with Local(toy_store.root) as executor:
        search(space(trials=1), toy_store, "cpu", executor)
    assert not (toy_store.root / "studies.db").exists()
    assert "1 studies" in examine_studies(toy_store.root)


def test_stores_that_share_a_database_have_studies_of_their_own(toy_store, tmp_path, monkeypatch):
    monkeypatch.setenv("LIFTING_BENCH_STUDIES", sqlite_address(tmp_path / "shared.db"))
    other = Store(tmp_path / "other")
    for store in (toy_store, other, toy_store):
        other.root.mkdir(exist_ok=True)
        with Local(store.root) as executor:
            found = search(space(trials=1), store, "cpu", executor)
        assert store.records(found.ids).keys() | found.missing.keys() == set(found.ids)
        assert len(found.ids) == 1
    assert "2 studies" in examine_studies(other.root)


def test_studies_keep_the_name_that_an_older_version_gave_their_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LIFTING_BENCH_STUDIES", sqlite_address(tmp_path / "shared.db"))
    (tmp_path / "studies.id").write_text("older\n")
    assert store_name(tmp_path) == "older" == Store(tmp_path).id


def test_looking_makes_nothing(tmp_path):
    assert "none yet" in examine_studies(tmp_path / "mistyped")
    assert list(tmp_path.iterdir()) == []


def test_signs_of_life_go_on_after_a_failure_which_is_said_once(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(studies, "HEARTBEAT_SECONDS", 0.01)
    storage = open_studies(tmp_path)
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    beats, alive = [], threading.Event()

    def record(trial_id):
        beats.append(trial_id)
        if len(beats) <= 3:
            raise optuna.exceptions.StorageInternalError("database is locked")
        alive.set()

    monkeypatch.setattr(storage, "record_heartbeat", record)
    with heartbeat(storage, [trial._trial_id]):
        assert alive.wait(10)
    assert capfd.readouterr().err.count("database of studies cannot be written (database is locked)") == 1


@pytest.mark.parametrize("axes", [[], ["hypotheses"], list(AXES)])
def test_a_trial_whose_program_died_before_its_first_sign_of_life_is_taken_over(axes, toy_store, monkeypatch):
    """However many of its values were chosen by then."""
    with Local(toy_store.root) as executor:
        search(space(trials=1, minutes=-1.0), toy_store, "cpu", executor)  # makes the study
        (name,) = optuna.get_all_study_names(open_studies(toy_store.root))
        values = {axis: list(range(len(AXES[axis]))) for axis in AXES}
        sampler = optuna.samplers.GridSampler(values, seed=0)
        study = optuna.load_study(storage=open_studies(toy_store.root), study_name=name, sampler=sampler)
        trial = study.ask()
        for axis in axes:
            trial.suggest_categorical(axis, values[axis])
        long_ago = f"-{studies.GRACE_SECONDS + 1} seconds"
        with sqlite3.connect(toy_store.root / "studies.db") as database:
            database.execute("UPDATE trials SET datetime_start = datetime(datetime_start, ?)", (long_ago,))

        def sleep(seconds):
            raise AssertionError("a trial is waited for that nobody does")

        clock = type("Clock", (), {"monotonic": staticmethod(time.monotonic), "sleep": staticmethod(sleep)})
        monkeypatch.setattr(module, "time", clock)
        found = search(space(trials=1), toy_store, "cpu", executor)
    assert toy_store.records(found.ids).keys() == set(found.ids)
    assert len(found.ids) == 1
    states = [trial.state for trial in study.get_trials()]
    assert states == [TrialState.FAIL, TrialState.COMPLETE]


def test_signs_of_life_begin_before_a_trial_is_resolved(toy_store, monkeypatch):
    """Signs go on meanwhile: data may be loaded for it, which takes long."""
    monkeypatch.setattr(studies, "HEARTBEAT_SECONDS", 0.05)
    real, beats, alive = RDBStorage.record_heartbeat, [], threading.Event()

    def record(self, trial_id):
        real(self, trial_id)
        beats.append(trial_id)
        if len(beats) == 3:
            alive.set()

    monkeypatch.setattr(RDBStorage, "record_heartbeat", record)
    usual = space(trials=1)

    def experiment(chosen):
        assert alive.wait(10)
        return usual.experiment(chosen)

    with Local(toy_store.root) as executor:
        found = search(replace(usual, experiment=experiment), toy_store, "cpu", executor)
    assert len(found.ids) == len(set(beats)) == 1


def test_a_trial_that_another_program_has_ended_is_told_and_no_error(toy_store, monkeypatch, capfd):
    """A program that was suspended meets this: its records are kept, and the search goes on."""
    real = module.run

    def run_and_lose(jobs, *arguments, **more):
        outcome = real(jobs, *arguments, **more)
        storage = open_studies(toy_store.root)
        for study in storage.get_all_studies():
            for trial in storage.get_all_trials(study._study_id, states=(TrialState.RUNNING,)):
                storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        return outcome

    monkeypatch.setattr(module, "run", run_and_lose)
    with Local(toy_store.root) as executor:
        found = search(space(trials=1), toy_store, "cpu", executor)
    assert "was taken over by another program" in capfd.readouterr().err
    assert toy_store.records(found.ids).keys() == set(found.ids)
    assert len(found.ids) == 1
