"""``report --compare`` and ``--format`` at the command line."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.results.documents import seal
from bench.results.record import Missing
from bench.results.run_set import RunSet, declared, refuse_to_lose
from models.errors import InputError
from tests import ROOT


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("compared")


@pytest.fixture
def trained(folder, toy_suite, monkeypatch):
    """Two folders of results of one store: the toy method trained for one and for two epochs."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name, epochs in (("one", 1), ("two", 2)):
        sizes = ["--set", f"training.epochs={epochs}", "--set", "evaluation.hypotheses=2"]
        if not (folder / name).exists():
            result = invoke("run", "--method", "toy", *sizes, "--out", name, "--store", "store")
            assert result.exit_code == 0, result.output
    return folder


def test_two_folders_of_results_of_one_store(trained):
    result = invoke(
        "report", "--compare", "one", "two", "--format", "md,html", "--out", "both", "--store", "elsewhere"
    )
    assert result.exit_code == 0, result.output + result.stderr
    assert result.output.splitlines()[0] == "1 pair of runs compared."
    assert {path.name for path in (trained / "both").iterdir()} == {"comparison.md", "comparison.html"}
    text = (trained / "both" / "comparison.md").read_text()
    assert text.startswith("### From one (A) to two (B)\n")
    assert "| *training.epochs: 1 → 2* |" in text
    assert not (trained / "elsewhere").exists(), "the store that runset.json names is read"


def test_a_store_a_table_and_the_same_twice(trained):
    assert invoke("report", "--compare", "store", "store", "--out", "out").output.splitlines()[0] == (
        "2 runs are in both sets with the same numbers: nothing changed there."
    )
    result = invoke("report", "--compare", "one=run", "one/runset.json", "--out", "out")
    assert result.output.splitlines()[0] == "1 run is in both sets with the same numbers: nothing changed there."


def test_what_cannot_be_compared_is_one_sentence(trained):
    (trained / "empty").mkdir()
    shutil.copytree("two", "damaged")
    (trained / "damaged" / "runset.json").write_text("{")
    shutil.copytree("two", "away")
    two = declared(trained / "two")
    (trained / "away" / "runset.json").write_text(seal(two.model_copy(update={"store": "/nowhere"})))
    for name, sentence in {
        "nowhere": "--compare nowhere: is not there; name the --out of two `ablate` commands, stores, archives, "
        "or study",
        "empty": "--compare empty: is neither a folder of results (no runset.json) nor a store of runs",
        "damaged": "damaged/runset.json: cannot be read (it: Invalid JSON: EOF while parsing an object at line 1 "
        "column 1); give the `ablate` or `run` command that made it once more, with --out damaged",
        "two=methods": "--compare two=methods: two has no table 'methods'; it has run",
        "away": "--compare away: none of its 1 runs has a record in other; name their store with --store",
    }.items():
        result = invoke("report", "--compare", "one", name, "--out", "none", "--store", "other")
        assert result.exit_code == 2, name
        assert result.stderr == f"error: {sentence}\n"
    assert not (trained / "none").exists()
    assert not (trained / "other").exists()


def test_forms_of_an_ordinary_report(trained):
    (trained / "three").mkdir()
    shutil.copy("one/runset.json", "three")
    assert invoke("report", "--format", "html", "--out", "three", "--store", "store").exit_code == 0
    assert {path.suffix for path in (trained / "three" / "tables").iterdir()} == {".html"}
    assert not (trained / "three" / "report.tex").exists(), "it needs tables in LaTeX"
    result = invoke("report", "--format", "docx", "--out", "three", "--store", "store")
    assert result.exit_code == 2
    assert result.stderr == "error: --format docx: names 'docx'; a table can be tex, csv, md, html\n"


TABLE = {"title": "T", "layout": "main", "ids": ["a"]}
RUNSET = {"tables": {"t": TABLE}, "command": "python -m bench run", "created_at": "now"}
EXPERIMENT = {
    "method": {"options": {}},
    "data": {"detections": "gt"},
    "training": {"seed": 0},
    "evaluation": {"detections": "gt", "hypotheses": 1, "steps": 1, "flip": True, "seed": 0},
}


def lost(**changes):
    names = dict.fromkeys(("id", "training_id", "method", "title", "preset", "variant"), "x")
    return names | {"experiment": EXPERIMENT, "reason": "failed: x"} | changes


def test_run_sets_of_older_versions_without_a_seal_are_read(tmp_path):
    older = RUNSET | {"absent": {"b": lost()}}
    (tmp_path / "runset.json").write_text(json.dumps(older))
    assert declared(tmp_path).missing["b"].failed
    assert declared(tmp_path) == declared(tmp_path / "runset.json")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it: Invalid JSON"),
        (b"\xff\xfe", "it: Invalid JSON"),
        (b"[" * 100_000, "it: Invalid JSON"),
        (b"[]", "it: Input should be an object"),
        (json.dumps(RUNSET | {"colour": "red"}).encode(), "colour: Extra inputs are not permitted"),
        (json.dumps(RUNSET | {"x" * 100_000: 1}).encode(), "Extra inputs are not permitted"),
        (json.dumps(RUNSET | {"tables": {"t": {"ids": []}}}).encode(), "tables.t.title: Field required"),
        (
            json.dumps(RUNSET | {"tables": {"t": {"title": "T", "layout": []}}}).encode(),
            "layout: Input should",
        ),
        (json.dumps(RUNSET | {"command": {}}).encode(), "command: Input should be a valid string"),
        (json.dumps(RUNSET | {"store": 1}).encode(), "store: Input should be a valid string"),
        (
            json.dumps(RUNSET | {"missing": {"b": lost(experiment={"method": {}})}}).encode(),
            "missing.b: Value error, its description needs data with detections",
        ),
        (seal(RunSet(**RUNSET)).replace('"T"', '"U"').encode(), "its content does not have its checksum"),
        (seal(RunSet(**RUNSET)).replace('"sha256":"', '"sha256":"g').encode(), "its seal is damaged"),
    ],
)
def test_a_run_set_that_cannot_be_read_is_one_short_sentence(tmp_path, content, why):
    (tmp_path / "runset.json").write_bytes(content)
    with pytest.raises(InputError) as error:
        declared(tmp_path)
    sentence = str(error.value)
    assert sentence.startswith(f"{tmp_path / 'runset.json'}: cannot be read (")
    assert why in sentence
    assert sentence.endswith(f"; give the `ablate` or `run` command that made it once more, with --out {tmp_path}")
    assert len(sentence) < 500 + 2 * len(str(tmp_path))


def test_a_run_set_of_a_newer_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(RunSet, "SCHEMA", 7, raising=False)
    (tmp_path / "runset.json").write_text(seal(RunSet(**RUNSET)))
    monkeypatch.undo()
    with pytest.raises(InputError, match="a newer version of lifting-bench wrote it: schema 7"):
        declared(tmp_path)


def test_a_file_in_place_of_the_folder_is_a_missing_run_set(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="runset.json: is missing; run `python -m bench ablate --out .*` first"):
        declared(tmp_path / "out")


def test_a_run_set_keeps_no_password_and_any_bytes_of_a_path():
    made = RunSet(
        **RUNSET | {"command": "run --studies postgresql://me:secret@host/db \udcff", "store": "/\udcff"}
    )
    assert made.command == "run --studies postgresql://host/db \\udcff"
    assert RunSet.model_validate_json(made.model_dump_json()) == made


def test_a_report_without_any_run_is_refused_unless_all_have_a_reason(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    there.mkdir()
    made = RunSet(**RUNSET | {"store": str(there)})
    refuse_to_lose(made, {"a"}, here)
    refuse_to_lose(made.model_copy(update={"missing": {"a": Missing(**lost())}}), {}, here)
    refuse_to_lose(made.model_copy(update={"tables": {}}), {}, here)
    none = "has a record of none of the 1 declared runs"
    with pytest.raises(InputError) as error:
        refuse_to_lose(made, {}, here)
    assert str(error.value) == f"--store {here}: {none}; they were made in {there}: give --store {there}"
    with pytest.raises(InputError) as error:
        refuse_to_lose(made, {}, there)
    assert str(error.value) == f"--store {there}: {none}; run `python -m bench run` again"


def test_a_report_over_a_store_that_is_not_there_leaves_the_old_report(trained):
    before = (trained / "one" / "summary.md").read_text()
    result = invoke("report", "--out", "one", "--store", "mistyped")
    assert result.exit_code == 2
    assert result.stderr.endswith(f"give --store {trained / 'store'}\n")
    assert (trained / "one" / "summary.md").read_text() == before
    assert not (trained / "mistyped").exists()


AS_ANOTHER_USER = """
import os, sys
from typer.testing import CliRunner
from bench.cli import app

def report(out):
    result = CliRunner().invoke(app, ["report", "--no-pdf", "--out", out, "--store", "store"])
    print(out, result.exit_code, result.stderr.strip(), flush=True)

report("one")  # imports everything: another user may not be able to
if os.geteuid() == 0:  # who may write everywhere
    os.setuid(65534)
report("open")
report("closed")
"""


def test_a_report_over_a_store_that_may_only_be_read_and_into_such_a_folder(trained):
    for folder in (trained, *trained.parents[:-2]):
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o055)
    for name, mode in {"open": 0o777, "closed": 0o555, "store": 0o555}.items():
        if name != "store":
            shutil.copytree("one", name)
        for path in [trained / name, *(trained / name).rglob("*")]:
            path.chmod(mode if path.is_dir() else 0o444)
    try:
        done = subprocess.run(
            [sys.executable, "-c", AS_ANOTHER_USER],
            env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
    finally:
        for path in [trained / "store", *(trained / "store").rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    _, opened, closed = done.stdout.splitlines()
    assert opened == "open 0 "
    assert closed.startswith("closed 2 error: ")
    assert "closed" in closed.removeprefix("closed")
    assert "cannot be written" in closed
