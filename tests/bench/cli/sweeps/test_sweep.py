"""What the commands that run experiments say and how they exit."""

import os
import signal
from types import SimpleNamespace

import pytest
import torch
import typer
from typer.testing import CliRunner

from bench.cli import app
from bench.cli.options import SweepRequest
from bench.cli.sweeps import sweep as module
from bench.cli.sweeps.interim import Interim, Round, failure_lines
from bench.cli.sweeps.plan import SweepPlan
from bench.job.planning import Planner
from bench.results.failure import Failure
from bench.results.run_set import RunSet, declared
from bench.results.store import Store
from bench.results.tracking.tracker import Tracker
from bench.sweep import run as sweep
from bench.sweep.executors.local import Local
from bench.sweep.executors.processes import Processes
from bench.sweep.search import Found, Search, Space
from models.errors import InputError
from tests.bench.toy import Toy
from tests.bench.toy_jobs import job


@pytest.fixture
def invoke(toy_store, tmp_path):
    """Run one cheap experiment, with more options."""

    def run(*more, store=toy_store.root):
        few = ["--method", "toy", "--set", "training.epochs=1", "--set", "evaluation.windows=4"]
        places = ["--store", str(store), "--out", str(tmp_path / "out")]
        return CliRunner().invoke(app, ["run", *few, *places, *more])

    return run


def test_a_failure_is_told_each_time(invoke, toy_store, toy_everywhere, monkeypatch):
    def predict(self, batch, sampling):
        raise ZeroDivisionError("division by zero")

    with monkeypatch.context() as patch:
        patch.setattr(Toy, "predict", predict)
        results = [invoke() for _ in range(2)]
    (kept,) = toy_store.root.glob("failures/*.json")
    for result in results:
        assert result.exit_code == 1
        told = [line for line in result.stdout.splitlines() if line.startswith("failed cost of Toy")]
        assert "error: ZeroDivisionError: division by zero (at tests/bench/cli/sweeps/test_sweep.py:" in told[-1]
        assert told[-1].endswith(f"; traceback in {kept})")
        assert "to try again: python -m bench " in result.stdout
        assert " --retry-failed\n" in result.stdout
    assert invoke("--retry-failed").exit_code == 0


def test_a_cost_of_another_number_of_threads_is_told(toy_store, tmp_path, monkeypatch):
    def notes():
        request = SweepRequest(store=toy_store.root, out=tmp_path / "out", device="cpu", executor="local")
        executor = Local(toy_store.root)
        return SweepPlan([[job()]], Planner(torch.device("cpu")), request, toy_store, executor).notes

    sweep.run([job()], toy_store, "cpu")
    assert notes() == []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    (told,) = notes()
    assert "note: costs of finished runs (1) are of " in told
    assert ", 99 threads; `python -m bench runs delete` removes runs, which the same command" in told


def test_memory_of_a_gpu_is_compared_with_what_its_own_workers_take(toy_store, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "bench.cli.sweeps.plan.notes", lambda tasks, estimates, workers: asked.append(workers) or []
    )
    request = SweepRequest(store=toy_store.root, out=tmp_path / "out", device="cpu")
    for workers, gpus in ((8, ["0", "1", "2", "3"]), (5, ["0", "1", "2", "3"]), (3, [])):
        executor = Processes(toy_store.root, workers, gpus=gpus)
        SweepPlan([[job()]], Planner(torch.device("cpu")), request, toy_store, executor)
    assert asked == [2, 2, 3]


def test_many_long_failures_are_told_in_bounded_length(toy_store):
    failures = [Failure(id=str(n), title="Toy", kind="bad input", reason="x" * 10_000) for n in range(100)]
    lines = list(failure_lines(failures, toy_store))
    assert len(lines) == 12
    assert max(map(len, lines)) < 500
    assert lines[-2] == "and 90 more failures; the summary names all of them"


def test_a_run_with_neither_record_nor_reason_is_an_error(invoke, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "run", lambda *arguments, **more: sweep.Outcome({}, {}, 0, 0))
    result = invoke()
    assert result.exit_code == 1
    assert "error: 1 declared run has neither a record nor a recorded reason: Toy (" in result.stderr
    runset = declared(tmp_path / "out")
    (missing,) = runset.missing.values()
    assert missing.failed
    assert "neither a record nor a reason" in (tmp_path / "out" / "summary.md").read_text()


def test_a_report_is_written_before_an_mlflow_that_is_away_ends_the_sweep(invoke, tmp_path, monkeypatch):
    real = Tracker.log

    def until(number):
        tried = []

        def log(self, record, files):
            tried.append(record.id)
            if len(tried) < number:
                raise InputError("MLflow store: away")
            return real(self, record, files)

        return log

    monkeypatch.setattr(Tracker, "log", until(9))
    result = invoke()
    assert result.exit_code == 2
    assert "error: MLflow store: away" in result.stderr
    (missing,) = declared(tmp_path / "out").missing.values()
    assert missing.reason.startswith("done, and waits for MLflow")
    assert "waits for MLflow" in (tmp_path / "out" / "summary.md").read_text()
    monkeypatch.setattr(Tracker, "log", until(2))
    result = invoke()
    assert (result.exit_code, declared(tmp_path / "out").missing) == (0, {})
    assert "1 evaluated now" in result.stdout


def test_a_trial_of_a_search_with_neither_is_an_error(toy_store, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "search", lambda *arguments: Found(("0123456789abcdef",), {}))
    tables = {"pareto": RunSet.Table(title="Search", layout="runs", ids=(), searching=True)}
    request = SweepRequest(store=toy_store.root, out=tmp_path / "out", executor="local")
    space = Space("key", {}, lambda chosen: None, Search(trials=1))
    with pytest.raises(typer.Exit) as ended:
        module.run_and_report([Round([], tables)], {"pareto": space}, request, Planner(None))
    assert ended.value.exit_code == 1
    assert not declared(tmp_path / "out").tables["pareto"].searching
    assert (
        "1 declared run has neither a record nor a recorded reason: 0123456789abcdef;" in capsys.readouterr().err
    )


def test_a_report_is_written_before_an_mlflow_that_is_away_ends_a_search(toy_store, tmp_path, monkeypatch):
    def search(*arguments):
        raise InputError("MLflow store: away")

    monkeypatch.setattr(module, "search", search)
    tables = {
        "main": RunSet.Table(title="Toy", layout="runs", ids=(job().id,)),
        "pareto": RunSet.Table(title="Search", layout="runs", ids=(), searching=True),
    }
    request = SweepRequest(store=toy_store.root, out=tmp_path / "out", device="cpu", executor="local")
    space = Space("key", {}, lambda chosen: None, Search(trials=1))
    with pytest.raises(InputError, match="away"):
        module.run_and_report([Round([job()], tables)], {"pareto": space}, request, Planner(torch.device("cpu")))
    assert declared(tmp_path / "out").tables["pareto"].searching
    assert "Toy" in (tmp_path / "out" / "summary.md").read_text()


def test_trainings_that_differ_in_the_choice_of_the_checkpoint_only_are_begun_together(monkeypatch, toy_suite):
    """Begun one after the other they would be two trainings."""
    monkeypatch.setattr(module, "CORE", ("toy",))
    plain, chosen, other = (job(training=changes) for changes in ({}, {"selection": "test"}, {"seed": 1}))
    tables = {
        name: RunSet.Table(title=name, layout=layout, ids=ids)
        for name, layout, ids in (("methods", "main", (plain.id,)), ("audit", "audit", (other.id, chosen.id)))
    }
    assert module._first_jobs(Round([plain, other, chosen], tables, {})) == [plain, chosen]
    assert module._first_jobs(Round([plain, chosen], tables, {})) == []


@pytest.mark.parametrize(("slots", "calls"), [(1, 2), (2, 2), (3, 1)])
def test_the_main_table_is_done_alone_where_it_keeps_all_workers_busy(
    toy_store, tmp_path, toy_suite, monkeypatch, slots, calls
):
    """It has four trainings; else it only comes first."""
    done = []
    monkeypatch.setattr(module, "CORE", ("toy",))
    monkeypatch.setattr(
        sweep, "run", lambda jobs, *_, **more: done.append(list(jobs)) or sweep.Outcome({}, {}, 0, 0)
    )
    first, main = job(training={"seed": 9}), [job(training={"seed": seed}) for seed in range(4)]
    tables = {"methods": RunSet.Table(title="", layout="main", ids=tuple(one.id for one in main))}
    request = SweepRequest(store=toy_store.root, out=tmp_path / "out", device="cpu")
    part, executor = Round([first, *main], tables), SimpleNamespace(slots=slots)
    module._run(1, part, request, toy_store, executor, Interim(request), None)
    assert len(done) == calls
    assert done[0][:4] == main
    assert first in done[-1]


def test_rounds_with_too_few_trainings_for_the_workers_are_one(toy_suite):
    """At the papers' size GPUs would wait for days at the end of each."""
    jobs = [job(training={"seed": seed}) for seed in range(6)]
    rounds = [Round(jobs[:number], {"all": number}) for number in (2, 4, 6)]
    assert module._joined(rounds, 1) == rounds
    (only,) = module._joined(rounds, 2)
    assert (only.jobs, only.tables) == (jobs, {"all": 6})
    assert module._joined(rounds[1:], 2) == rounds[1:], "four trainings are enough for two workers"


def test_trainings_that_are_done_keep_no_worker_busy(toy_store, toy_suite):
    jobs = [job(training={"seed": seed}) for seed in range(4)]
    assert module._keep_busy(jobs, toy_store, 2)
    sweep.run(jobs[:1], toy_store, "cpu")
    assert not module._keep_busy(jobs, toy_store, 2)


def test_sigterm_is_taken_for_ctrl_c(invoke, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sweep, "run", lambda *arguments, **more: os.kill(os.getpid(), signal.SIGTERM))
    result = invoke()
    assert result.exit_code == 143
    assert "interrupted; what is finished is kept" in result.stderr
    assert signal.getsignal(signal.SIGTERM) == before


def test_fp16_is_refused_on_a_cpu_before_anything_is_computed(invoke, toy_store):
    result = invoke("--device", "cpu", "--set", "training.precision=fp16")
    assert result.exit_code == 2
    assert "error: training.precision is fp16, in which a CPU does not train: set it to bf16" in result.stderr
    assert not [*toy_store.root.glob("measurements/*"), *toy_store.root.glob("trainings/*")]


def test_a_dry_run_makes_no_store_and_says_that_it_is_new(invoke, tmp_path):
    mistyped = tmp_path / "sotre"
    result = invoke("--dry-run", store=mistyped)
    assert result.exit_code == 0
    assert f"--store {mistyped}: is new" in result.stdout
    assert not mistyped.exists()
    assert not (tmp_path / "out").exists()


def test_a_dry_run_writes_nothing_into_a_store(invoke, toy_store):
    assert invoke().exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in toy_store.root.rglob("*")}
    result = invoke("--dry-run", "--seeds", "0,1")
    assert "2 experiments share 2 trainings; 1 are finished" in result.stdout
    assert "is new" not in result.stdout
    assert {path: path.stat().st_mtime_ns for path in toy_store.root.rglob("*")} == before
    assert len(Store(toy_store.root).records()) == 1


@pytest.mark.parametrize(("command", "place"), [("run", "records/*.json"), ("gc", "trainings/*/training.json")])
def test_a_dry_run_leaves_what_it_cannot_read_where_it_is(command, place, invoke, toy_store, tmp_path):
    assert invoke().exit_code == 0
    if command == "run":  # the record lies as a sweep leaves it that is killed before it moves it into the index
        (record,) = toy_store.records().values()
        toy_store.add(record)
        toy_store.index.unlink()
    (damaged,) = toy_store.root.glob(place)
    damaged.write_text(damaged.read_text()[:-9])
    before = {path: path.stat().st_mtime_ns for path in toy_store.root.rglob("*")}
    words = ["runs", "gc", str(tmp_path / "out"), "--dry-run", "--store", str(toy_store.root)]
    result = invoke("--dry-run") if command == "run" else CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output + result.stderr
    assert f"{damaged}: cannot be read (" in result.stderr
    assert "; it stays there" in result.stderr
    assert {path: path.stat().st_mtime_ns for path in toy_store.root.rglob("*")} == before
    if command == "run":
        assert "; 0 are finished" in result.stdout
        assert "it counts as absent and was moved to" in invoke().stderr, "a run that is none moves it"


@pytest.mark.parametrize("has_clip", [False, True])
def test_a_plan_says_which_text_encoder_takes_the_place_of_clip(toy_store, tmp_path, monkeypatch, has_clip):
    """MiniLM is installed; CLIP's weights are there or not."""
    weights = tmp_path / "ViT-B-32.pt"
    if has_clip:
        weights.touch()
    monkeypatch.setenv("LIFTING_BENCH_CLIP", str(weights))
    asked = ["--method", "finepose", "--set", "method.options.text=minilm", "--dry-run"]
    places = ["--store", str(toy_store.root), "--out", str(tmp_path / "out")]
    told = CliRunner().invoke(app, ["run", *asked, *places])
    assert told.exit_code == 0, told.output
    note = "note: text encoder of FinePOSE: MiniLM, as CLIP's weights are absent"
    assert (note in told.output) is not has_clip
    assert ("set LIFTING_BENCH_CLIP to" in told.output) is not has_clip
