"""What can be read while a sweep runs, and what an interruption leaves."""

import re
import time

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.cli.sweeps import interim, sweep
from bench.job import weights
from bench.results.run_set import NOT_YET, declared

FILE = """
title: Mine
layout: {layout}
base: {{method: {{name: toy}}, training: {{epochs: 1}}, evaluation: {{windows: 4, hypotheses: 1, steps: 1}}}}
axes: {{training.seed: [0, 1, 2]}}
"""


@pytest.fixture
def places(toy_store, tmp_path):
    return ["--store", str(toy_store.root), "--out", str(tmp_path / "out")]


@pytest.fixture
def ablate(places, tmp_path):
    """Run three trainings, with more options, in this process."""

    def run(*more, layout="runs"):
        path = tmp_path / "mine.yaml"
        path.write_text(FILE.format(layout=layout))
        few = ["--rounds", "1", "--executor", "local"]
        return CliRunner().invoke(app, ["ablate", str(path), *places, *few, *more])

    return run


@pytest.fixture
def before_training(monkeypatch):
    """Have something done before the training of a seed."""

    def do(seed, action):
        real = weights.train_or_load

        def train_or_load(training, *rest):
            if training.recipe.seed == seed:
                action()
            return real(training, *rest)

        monkeypatch.setattr(weights, "train_or_load", train_or_load)

    return do


def interrupt():
    raise KeyboardInterrupt


def test_another_terminal_reads_what_is_there_and_what_is_missing(ablate, places, tmp_path, before_training):
    seen = []

    def report():
        seen.append(declared(tmp_path / "out"))
        seen.append(CliRunner().invoke(app, ["report", "--no-pdf", *places]))

    before_training(2, report)
    assert ablate().exit_code == 0
    runset, told = seen
    assert [missing.reason for missing in runset.missing.values()] == [NOT_YET] * 3
    assert told.exit_code == 0, told.output + told.stderr
    assert "mine: 2 of 3 runs; missing: 1 not yet run" in told.output
    assert declared(tmp_path / "out").missing == {}


def test_a_report_before_the_first_run_is_a_sentence(ablate, places, before_training):
    seen = []
    before_training(0, lambda: seen.append(CliRunner().invoke(app, ["report", *places])))
    assert ablate().exit_code == 0
    (told,) = seen
    assert told.exit_code == 2
    assert "has a record of none of the 3 declared runs" in told.stderr


def test_an_interruption_leaves_a_report_of_what_is_finished(ablate, tmp_path, before_training):
    before_training(1, interrupt)
    result = ablate()
    assert result.exit_code == 130
    text = (tmp_path / "out" / "summary.md").read_text()
    assert "1 run of 1 trained model, as of" in text
    assert "2 declared runs are not yet run" in text
    assert not (tmp_path / "out" / "figures").exists()


def test_the_report_is_written_by_another_process_while_the_sweep_goes_on(
    ablate, toy_everywhere, tmp_path, before_training, monkeypatch
):
    monkeypatch.setattr(interim, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(interim, "LEAST_SHARE", 0)
    written = []

    def wait():
        summary, until = tmp_path / "out" / "summary.md", time.monotonic() + 120
        while not summary.exists() and time.monotonic() < until:
            time.sleep(0.1)
        written.append(summary.read_text())

    before_training(2, wait)
    assert ablate().exit_code == 0
    assert re.search(r"\n[12] runs? of [12] trained models?", written[0])


def test_a_failure_is_told_at_once_with_the_command_that_tries_again(ablate, before_training, capsys):
    told = []

    def fail():
        raise ZeroDivisionError("division by zero")

    before_training(0, fail)
    before_training(1, lambda: told.append(capsys.readouterr().out))
    result = ablate()
    assert result.exit_code == 1
    assert "error: ZeroDivisionError: division by zero" in result.output
    first, _, rest = result.output.partition("trained Toy tiny cpn seed 1")
    assert re.search(r"failed Toy .*ZeroDivisionError.*\nto try again: python -m bench.* --retry-failed\n", first)
    assert rest.count("failed Toy") == 1, "and once more at the end"


def test_what_failed_is_tried_again_once(ablate, tmp_path, before_training, monkeypatch):
    """Also where the main table's experiments are run first, and then with all others."""
    monkeypatch.setattr(sweep, "CORE", ("toy",))
    more, tries = tmp_path / "more.yaml", []
    more.write_text(FILE.format(layout="runs").replace("[0, 1, 2]", "[0, 1, 2, 3]"))

    def fail():
        tries.append(1)
        raise ZeroDivisionError

    before_training(0, fail)
    ablate(str(more), layout="main")
    assert len(tries) == 1
    ablate(str(more), "--retry-failed", layout="main")
    assert len(tries) == 2


def test_the_end_names_the_table_and_three_places(ablate, tmp_path):
    lines = ablate(layout="main").output.splitlines()
    end = lines[lines.index("Mine") :]
    assert re.match(r"Method +Aggregation .*MPJPE", end[1])
    assert any(re.match(r"Toy +\S+ .*\d\.\d", line) for line in end)
    assert f"summary: {tmp_path / 'out' / 'summary.md'}" in end
    assert f"page: {tmp_path / 'out' / 'index.html'}" in end
    assert len(end) < 20
