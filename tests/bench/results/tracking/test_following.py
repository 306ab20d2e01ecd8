"""Runs of trainings in MLflow, from their first step to whatever end."""

import math
import platform
import signal
import threading
import time
from contextlib import contextmanager

import mlflow
import pytest

from bench.job import task
from bench.results.store import Store
from bench.results.tracking import activity, connection, following, journal
from bench.results.tracking.journal import journals
from bench.results.tracking.tracker import Tracker
from bench.sweep.run import run
from bench.training import curves, trainer
from tests.bench.mlflow_runs import search_runs
from tests.bench.toy import Toy
from tests.bench.toy_jobs import job, out_of_memory

TRAINING = "tags.`bench.kind` = 'training'"
LIVE = {"train.loss", "train.learning_rate", "train.gradient_norm", "train.windows_per_s", "epoch"}


@pytest.fixture(autouse=True)
def ctrl_c():
    """Ctrl-C has its usual effect, also where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def store(toy_store, monkeypatch):
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 5.0)
    monkeypatch.setattr(curves, "POINT_SECONDS", 0.0)
    monkeypatch.setattr(following, "PASS_SECONDS", 0.05)
    monkeypatch.setattr(following, "AWAY_SECONDS", 0.05)
    return toy_store


def history(store, run_id, key):
    """(step, value) of a metric, as often as MLflow has them."""
    found = mlflow.MlflowClient(Tracker(store.root).uri).get_metric_history(run_id, key)
    return [(point.step, point.value) for point in found]


def only_training(store):
    (found,) = search_runs(store, TRAINING)
    return found


def stop_at(monkeypatch, step, act):
    """Let something be done at the beginning of a step of the toy training, counted from 0."""
    begun, real = [], Toy.training_loss

    def training_loss(self, batch):
        begun.append(batch)
        if len(begun) == step + 1:
            act()
        return real(self, batch)

    monkeypatch.setattr(Toy, "training_loss", training_loss)


def test_a_training_has_curves_over_the_steps_of_its_optimiser(store):
    wanted = job(training={"epochs": 2})
    record = run([wanted], store, "cpu").records[wanted.id]
    found, info = only_training(store), record.training
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "train Toy tiny cpn toy seed 0"
    assert found.data.params["method.options.frames"] == "9"
    assert found.data.params["training.learning_rate"] == "0.01"
    assert found.data.params["method.name"] == "toy"
    steps = list(range(1, info.steps + 1))
    for key in LIVE:
        assert [step for step, _ in history(store, found.info.run_id, key)] == steps, key
    losses = [value for _, value in history(store, found.info.run_id, "train.loss")]
    per_epoch = info.steps // info.epochs
    assert history(store, found.info.run_id, "train.epoch_loss") == [
        (per_epoch, info.loss[0]),
        (info.steps, info.loss[1]),
    ]
    assert math.isclose(sum(losses[:per_epoch]) / per_epoch, info.loss[0], rel_tol=1e-6)
    assert [value for _, value in history(store, found.info.run_id, "validation.mpjpe")] == [
        value for _, value in info.validation_mpjpe
    ]
    assert history(store, found.info.run_id, "epoch")[-1] == (info.steps, 2.0)
    (given,) = found.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("toy", "0000000000000cpn")
    assert not journals(store.root), "MLflow has it all"


def test_a_training_is_seen_while_it_runs(store, monkeypatch):
    """Its run is there, is RUNNING, and its curves grow."""
    seen = []

    def look():
        client = mlflow.MlflowClient(Tracker(store.root).uri)
        ends = time.monotonic() + 30
        while time.monotonic() < ends:
            found = search_runs(store, TRAINING)
            points = client.get_metric_history(found[0].info.run_id, "train.loss") if found else []
            if points and (not seen or len(points) > seen[-1][1]):
                seen.append((found[0].info.status, len(points), found[0].info.run_id))
                return
            time.sleep(0.02)

    stop_at(monkeypatch, 3, look)
    stop_at(monkeypatch, 8, look)
    run([job()], store, "cpu")
    (first, few, one), (second, more, same) = seen
    assert (first, second) == ("RUNNING", "RUNNING")
    assert more > few
    assert one == same == only_training(store).info.run_id


def test_an_interrupted_training_is_killed_and_goes_on_in_its_run(store, monkeypatch):
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 1e9)
    whole = run([job()], Store(store.root.with_name("whole")), "cpu").records[job().id]
    with monkeypatch.context() as patch:
        stop_at(patch, 5, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            run([job()], store, "cpu")
    killed = only_training(store)
    assert killed.info.status == "KILLED"
    assert killed.info.end_time >= killed.info.start_time
    begun = []
    monkeypatch.setattr(Toy, "on_progress", lambda self, done: begun.append(done))
    record = run([job()], store, "cpu").records[job().id]
    assert len(begun) == record.training.steps - 6, "what was done is not done again"
    after = only_training(store)
    assert (after.info.run_id, after.info.status) == (killed.info.run_id, "FINISHED")
    assert after.info.start_time == killed.info.start_time
    steps = [step for step, _ in history(store, after.info.run_id, "train.loss")]
    assert steps == list(range(1, record.training.steps + 1)), "each once"
    assert record.values == whole.values


@pytest.mark.parametrize("logged", ["own", "shared"])
def test_a_training_goes_on_in_the_run_that_an_older_version_began(store, monkeypatch, logged, request):
    """Which named a store by its host and folder."""
    if logged == "shared":
        request.getfixturevalue("shared")
    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "name", f"{platform.node()}:{store.root}")
        stop_at(patch, 5, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            run([job()], store, "cpu")
    killed = only_training(store)
    assert run([job()], store, "cpu").records
    assert only_training(store).info.run_id == killed.info.run_id


@pytest.mark.parametrize("logged", ["own", "shared"])
def test_a_training_goes_on_in_its_run_wherever_its_store_is_seen(store, monkeypatch, logged, request):
    """Under another path, as in another container or after a move; and under another host name."""
    if logged == "shared":
        request.getfixturevalue("shared")
    with monkeypatch.context() as patch:
        stop_at(patch, 5, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            run([job()], store, "cpu")
    killed = only_training(store)
    moved = Store(store.root.rename(store.root.with_name("moved")))
    monkeypatch.setattr("platform.node", lambda: "another")
    assert run([job()], moved, "cpu").records
    after = only_training(moved)
    assert (after.info.run_id, after.info.status) == (killed.info.run_id, "FINISHED")


def test_a_killed_training_is_marked_by_whoever_finds_it(store, monkeypatch):
    """Nothing was sent when it died; another experiment of the same store finds it."""

    def die():
        raise SystemExit  # no handler of the suite sees it

    with monkeypatch.context() as patch:
        patch.setattr(following, "journals", lambda root: [])
        stop_at(patch, 3, die)
        with pytest.raises(SystemExit):
            run([job()], store, "cpu")
    assert not search_runs(store, TRAINING)
    other = job(training={"seed": 1})
    run([other], store, "cpu")
    statuses = {found.data.tags["bench.training_id"]: found.info.status for found in search_runs(store, TRAINING)}
    assert statuses == {job().training_id: "KILLED", other.training_id: "FINISHED"}


def test_a_training_of_another_program_is_left_alone(store, monkeypatch):
    """Its lock is held."""
    wanted = job()
    with monkeypatch.context() as patch:
        stop_at(patch, 3, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            run([wanted], store, "cpu")
    with store.lock(f"training-{wanted.training_id}"):
        run([job(training={"seed": 1})], store, "cpu")
    (found,) = search_runs(store, f"tags.`bench.training_id` = '{wanted.training_id}'")
    assert found.info.status == "RUNNING"


def test_a_training_that_fails_says_why_and_can_be_tried_again(store, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, 3, out_of_memory)
        patch.setattr(trainer.memory, "first_that_fits", lambda call, sizes: call(1))
        run([job()], store, "cpu")
    failed = only_training(store)
    assert failed.info.status == "FAILED"
    assert failed.data.tags["mlflow.note.content"].startswith("out of memory: ")
    run([job()], store, "cpu", retry_failed=True)
    again = only_training(store)
    assert (again.info.run_id, again.info.status) == (failed.info.run_id, "FINISHED")
    assert again.data.tags["mlflow.note.content"] == ""
    steps = [step for step, _ in history(store, again.info.run_id, "train.loss")]
    assert steps == sorted(set(steps))


def test_what_other_code_has_trained_is_not_gone_on_with(store, monkeypatch):
    """Neither its weights nor its curves: the run of the new try begins anew."""
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        stop_at(patch, 3, lambda: 1 / 0)
        run([job()], store, "cpu")
    failed = only_training(store)
    assert failed.info.status == "FAILED"
    monkeypatch.setattr("bench.job.pending.method_digest", lambda lifter: "another")
    begun = []
    monkeypatch.setattr(Toy, "on_progress", lambda self, done: begun.append(done))
    record = run([job()], store, "cpu").records[job().id]
    assert len(begun) == record.training.steps
    runs = {found.info.run_id: found for found in search_runs(store, TRAINING)}
    assert runs.pop(failed.info.run_id).info.status == "FAILED"
    (mended,) = runs.values()
    assert mended.info.status == "FINISHED"
    steps = [step for step, _ in history(store, mended.info.run_id, "train.loss")]
    assert steps == list(range(1, record.training.steps + 1))


def test_trainings_that_differ_in_their_selection_have_a_run_each(store):
    """They go through the same weights, once."""
    jobs = [job(training={"selection": name}) for name in ("validation", "test")]
    outcome = run(jobs, store, "cpu")
    assert outcome.trained == 1
    errors = {}
    for found in search_runs(store, TRAINING):
        assert found.info.status == "FINISHED"
        errors[found.data.tags["bench.training_id"]] = history(store, found.info.run_id, "validation.mpjpe")
    for wanted in jobs:
        curve = [value for _, value in outcome.records[wanted.id].training.validation_mpjpe]
        assert [value for _, value in errors[wanted.training_id]] == curve
    names = {found.info.run_name for found in search_runs(store, TRAINING)}
    assert names == {"train Toy tiny cpn toy seed 0", "train Toy tiny cpn toy seed 0, selection: test"}


def test_mlflow_that_is_away_gets_everything_later(store, monkeypatch, capfd):
    """Training goes on without it; what it missed is there at the end, with the times of then."""
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 0.0)
    real = mlflow.MlflowClient.create_run

    def away(*arguments, **more):
        raise OSError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "create_run", away)
        with pytest.raises(connection.InputError, match="gone"):
            run([job()], store, "cpu")
    assert "kept in the store and sent later" in capfd.readouterr().err
    (path,) = journals(store.root)
    began = journal.head_of(path).began
    assert mlflow.MlflowClient.create_run is real
    record = run([job()], store, "cpu").records[job().id]
    found = only_training(store)
    assert found.info.start_time == began
    assert [step for step, _ in history(store, found.info.run_id, "train.loss")][-1] == record.training.steps
    assert not journals(store.root)


@pytest.mark.parametrize(
    ("call", "done"),
    [
        ("log_batch", True),
        ("log_inputs", True),
        ("set_terminated", True),
        ("set_terminated", False),
        ("set_tag", True),
    ],
)
def test_a_kill_while_a_journal_is_sent_loses_and_repeats_nothing(store, monkeypatch, call, done):
    """The first call of each kind ends the program, after it was done or before."""
    real = getattr(mlflow.MlflowClient, call)

    def once(*arguments, **more):
        if done:
            real(*arguments, **more)
        monkeypatch.setattr(mlflow.MlflowClient, call, real)
        raise KeyboardInterrupt

    monkeypatch.setattr(following, "PASS_SECONDS", 1e9)  # only at the end
    monkeypatch.setattr(mlflow.MlflowClient, call, once)
    if call == "set_tag":  # which only the end of a training that is not finished calls
        stop_at(monkeypatch, 5, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run([job()], store, "cpu")
    record = run([job()], store, "cpu").records[job().id]
    found = only_training(store)
    assert found.info.status == "FINISHED"
    for key in LIVE:
        steps = [step for step, _ in history(store, found.info.run_id, key)]
        assert steps == list(range(1, record.training.steps + 1)), key
    assert len(history(store, found.info.run_id, "train.seconds")) == 1
    assert len(found.inputs.dataset_inputs) == 1


def test_what_the_machine_does_is_seen_of_trainings_and_evaluations(store, monkeypatch):
    monkeypatch.setattr(activity, "SAMPLE_SECONDS", 0.01)
    real = activity.watched_system

    @contextmanager
    def watched(note):
        """Ends after a first look at the machine, however long that takes."""
        noted = threading.Event()
        with real(lambda metrics: [note(metrics), noted.set()]):
            yield
            noted.wait(60)

    for user in (trainer, task):
        monkeypatch.setattr(user, "watched_system", watched)
    record = run([job()], store, "cpu").records[job().id]
    client = mlflow.MlflowClient(Tracker(store.root).uri)
    for run_id in (only_training(store).info.run_id, record.mlflow_run_id):
        metrics = client.get_run(run_id).data.metrics
        assert 0 <= metrics["system/cpu_utilization_percentage"] <= 100
        assert metrics["system/system_memory_usage_megabytes"] > 0
