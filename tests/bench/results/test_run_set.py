"""``report --compare`` and ``--format`` at the command line."""

import shutil

import pytest
from typer.testing import CliRunner

from bench.cli import app


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
        "report", "--compare", "one", "two", "--format", "md,html", "--out", "out", "--store", "elsewhere"
    )
    assert result.exit_code == 0, result.output + result.stderr
    assert result.output.splitlines()[0] == "1 pair of runs compared."
    assert {path.name for path in (trained / "out").iterdir()} == {"comparison.md", "comparison.html"}
    text = (trained / "out" / "comparison.md").read_text()
    assert text.startswith("### From one (A) to two (B)\n")
    assert "| *training.epochs: 1 → 2* |" in text
    assert not (trained / "x").exists(), "the store that runset.json names is read"


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
    moved = (trained / "two" / "runset.json").read_text().replace(str(trained / "store"), "/nowhere")
    (trained / "away" / "runset.json").write_text(moved)
    for name, sentence in {
        "nowhere": "--compare nowhere: there is no such folder; name the --out of two `ablate` commands, or two "
        "stores",
        "empty": "--compare empty: is neither a folder of results (no runset.json) nor a store of runs",
        "damaged": "damaged/runset.json: is damaged; run `python -m bench ablate --out damaged` again",
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
