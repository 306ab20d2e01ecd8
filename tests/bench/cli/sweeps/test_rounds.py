"""Rounds of training seeds: a report after each, and further seeds for open claims."""

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.cli.sweeps.rounds import evenly, seconds_of
from bench.results.run_set import declared
from bench.results.store import Store
from bench.sweep import run as sweep
from models.errors import InputError

FILE = """
title: Mine
layout: claims
base: {method: {name: toy}, training: {epochs: 1}, evaluation: {windows: 4, hypotheses: 1, steps: 1}}
claims:
  - {claim: A larger step is better, better: {training.learning_rate: 0.02}, other: {training.learning_rate: 0.01}}
"""


@pytest.fixture
def ablate(toy_store, tmp_path):
    """Run the file, with more options, in this process."""
    path = tmp_path / "mine.yaml"
    path.write_text(FILE)
    places = ["--store", str(toy_store.root), "--out", str(tmp_path / "out"), "--executor", "local"]

    def run(*more):
        return CliRunner().invoke(app, ["ablate", str(path), *places, *more])

    return run


def seeds(tmp_path):
    """Training seeds of the claim's first side, as the report was told."""
    (claim,) = declared(tmp_path / "out").tables["mine"].claims
    records = Store(tmp_path / "store").records(claim.better)
    return sorted(record.experiment["training"]["seed"] for record in records.values())


def test_three_rounds_by_default_each_with_a_report(ablate, tmp_path):
    result = ablate()
    assert result.exit_code == 0, result.output + result.stderr
    assert "round 1: 2 runs: 2 trained, 2 evaluated now" in result.output
    assert "round 3: 6 runs: 2 trained, 2 evaluated now" in result.output
    assert seeds(tmp_path) == [0, 1, 2]


def test_an_interruption_leaves_the_report_of_the_round_before(ablate, tmp_path, monkeypatch):
    real, calls = sweep.run, []

    def run(*arguments, **more):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **more)

    monkeypatch.setattr(sweep, "run", run)
    assert ablate("--rounds", "2").exit_code == 130
    assert seeds(tmp_path) == [0]
    monkeypatch.setattr(sweep, "run", real)
    assert ablate("--rounds", "2").exit_code == 0
    assert seeds(tmp_path) == [0, 1]


def test_the_first_round_shows_what_the_store_has_of_later_ones(ablate, tmp_path, monkeypatch):
    assert ablate("--rounds", "2").exit_code == 0

    def interrupted(*arguments, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep, "run", interrupted)
    assert ablate("--rounds", "3").exit_code == 130
    assert seeds(tmp_path) == [0, 1]
    (table,) = declared(tmp_path / "out").tables.values()
    assert len(table.ids) == len(set(table.ids)) == 4


def test_named_seeds_are_the_rounds(ablate, tmp_path):
    assert ablate("--seeds", "7").exit_code == 0
    assert seeds(tmp_path) == [7]
    result = ablate("--seeds", "1,2", "--rounds", "2")
    assert result.exit_code == 2
    assert "leave out --seeds, or --rounds" in result.stderr


def test_a_seed_of_set_is_one_round_and_refused_beside_other_seeds(ablate, tmp_path):
    result = ablate("--set", "training.seed=5")
    assert "2 runs: 2 trained, 2 evaluated now" in result.output
    assert "round" not in result.output
    assert seeds(tmp_path) == [5]
    for option in (["--seeds", "0,1"], ["--rounds", "1"]):
        result = ablate(*option, "--set", "training.seed=5", "--dry-run")
        assert result.exit_code == 2
        told = "names the training seeds, as does --set training.seed; leave out one of them"
        assert f"{' '.join(option)}: {told}" in result.stderr


@pytest.fixture
def ten_seconds_each(monkeypatch):
    """A clock on which rounds take ten seconds, and nothing else takes any."""
    now, real = [0.0], sweep.run

    def run(*arguments, **more):
        now[0] += 10
        return real(*arguments, **more)

    monkeypatch.setattr(sweep, "run", run)
    for module in ("rounds", "sweep"):
        monkeypatch.setattr(f"bench.cli.sweeps.{module}.monotonic", lambda: now[0])


@pytest.mark.parametrize("planned", ["1", "2"])
def test_within_a_budget_open_claims_get_further_seeds(planned, ablate, tmp_path, ten_seconds_each):
    """Their number does not depend on the planned part: the time of one round decides, not that of all before."""
    result = ablate("--rounds", planned, "--budget", "35s")
    assert result.exit_code == 0, result.output + result.stderr
    (claim,) = declared(tmp_path / "out").tables["mine"].claims
    assert len(claim.better) == 3
    assert claim.look == 4 - int(planned)
    assert "each look spends a part of the 5" in (tmp_path / "out" / "tables" / "mine.md").read_text()


def test_a_claim_that_no_training_can_decide_gets_no_further_seeds(ablate, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.cli.sweeps.rounds.monotonic", lambda: 0.0)
    result = ablate("--rounds", "1", "--budget", "8h", "--set", "training.learning_rate=0.01")
    assert result.exit_code == 0, result.output + result.stderr
    assert seeds(tmp_path) == [0]
    assert "both sides are the same runs" in (tmp_path / "out" / "summary.md").read_text()


def test_claims_between_two_data_sets_get_no_further_seeds(ablate, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.cli.sweeps.rounds.monotonic", lambda: 0.0)
    path = tmp_path / "mine.yaml"
    path.write_text(FILE.replace("better:", "between: [population, human36m], better:"))
    result = ablate("--rounds", "1", "--budget", "8h")
    assert result.exit_code == 0, result.output + result.stderr
    assert seeds(tmp_path) == [0]
    assert "not tested: needs such runs on human36m too" in (tmp_path / "out" / "summary.md").read_text().replace(
        "\\", ""
    )


def test_a_dry_run_counts_all_rounds(ablate, tmp_path):
    result = ablate("--dry-run")
    assert "6 experiments share 6 trainings" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("text", "seconds"), [("8h", 28800), ("90min", 5400), ("1.5m", 90), ("30s", 30)])
def test_times(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["8", "h", "-1h", "8 hours", "1e3h"])
def test_other_times_are_refused(text):
    with pytest.raises(InputError, match=r"is no time; write 8h, 90min or 30s"):
        seconds_of(text)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["tuning"], "ablation tuning: several processes cannot search together; start it without torchrun"),
        (
            ["sampling=core", "pareto"],
            "pareto: several processes cannot search together; leave it out under torchrun: name sampling=core\n",
        ),
        ([], "leave it out under torchrun: name audit blocks "),
    ],
)
def test_several_processes_that_train_together_refuse_a_search(names, told, tmp_path, monkeypatch):
    """Each of them would ask the study for other trials, and wait for the others for ever."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    places = ["--store", str(tmp_path / "store"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, ["ablate", *names, "--dry-run", *places])
    assert result.exit_code == 2
    assert told in result.stderr
    assert not list(tmp_path.iterdir())


def test_several_processes_that_train_together_refuse_a_budget(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="several processes cannot decide together; leave it out under torchrun"):
        seconds_of("8h")


def test_all_tables_fill_alike():
    assert evenly([["a", "b", "c", "d"], ["x", "c"], ["p", "q", "r"]]) == list("axpbqcrd")
