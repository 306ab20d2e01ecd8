"""A small part of the fuzzing; and the harness notices all that a reader must not do."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import ROOT
from tests.fuzz import __main__ as program
from tests.fuzz.misbehaving import BEHAVIOURS

QUICK = ("bvh", "checkpoint", "imported weights")
"""Readers whose good inputs are made at once; `nox -s fuzz` tries all."""

WORDS = {
    "accepts": "",
    "refuses": "x.npz is damaged",
    "raises": "KeyError: 'x'",
    "says too much": "sentence of 3,000 characters",
    "says it raw": "not one printable line",
    "says nothing": "no words",
    "exits": "SystemExit: 3",
    "takes memory": "MemoryError",
    "takes memory and refuses": "memory was asked for first",
    "spins": "no answer within 1 s",
    "sleeps": "no answer within 1 s",
    "dies": "the process died with exit code 9",
    "runs code of a pickle": "code was run: ['",
    "starts a program": "subprocess.Popen",
    "writes outside": "open",
}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> program.Process:
    started = program.Process(tmp_path_factory.mktemp("fuzz") / "a" / "b", "tests.fuzz.misbehaving", patience=1.0)
    yield started
    started.close()


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_what_no_reader_may_do_is_noticed(name: str, process: program.Process, monkeypatch) -> None:
    monkeypatch.setattr(program, "SHARE", 0.5)
    outcome = process.run(name, 0)
    expected = {"accepts": "accepted", "refuses": "refused"}.get(name, "finding")
    assert (outcome.kind, WORDS[name] in outcome.words) == (expected, True), outcome.words


def test_a_small_part_of_the_inputs_is_read_or_refused(tmp_path: Path) -> None:
    until = time.monotonic() + 300
    counts, lines = program.fuzz(list(QUICK), iter(range(12)), until, tmp_path / "kept")
    assert not lines
    assert sum(counts.values()) == 12 * len(QUICK)
    refused = {reader for reader, kind in counts if kind == "refused"}
    assert refused == set(QUICK), "inputs that are always taken are no damage"


def test_the_program_tries_one_input_again() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--reader", "bvh", "--seed", "17"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "| bvh | 1 | 1 | 0 | 0 |" in done.stdout


def test_the_program_knows_every_reader() -> None:
    from tests.fuzz.readers import READERS

    assert tuple(READERS) == program.READERS


def test_the_table_counts_every_input() -> None:
    counts = program.Counter({("bvh", "refused"): 1200, ("bvh", "finding"): 1, ("index", "accepted"): 2})
    assert program.table(counts).splitlines()[2:] == [
        "| bvh | 1,201 | 1,200 | 0 | 1 |",
        "| index | 2 | 0 | 2 | 0 |",
        "| all | 1,203 | 1,200 | 2 | 1 |",
    ]
