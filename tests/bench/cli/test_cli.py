"""Bad input at the command line: one sentence, exit code 2, no traceback."""

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.sweep import run as sweep


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folders(tmp_path):
    return ["--store", tmp_path / "store", "--out", tmp_path / "out"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--method", "tcm"], "unknown method 'tcm'"),
        (["run", "--preset", "huge"], "'method.preset' is 'huge'"),
        (["run", "--set", "training.epoch=1"], "unknown key 'training.epoch'"),
        (["run", "--set", "training.epochs"], "is not of the form key=value"),
        (["run", "--data", "humaneva"], "unknown data set 'humaneva'"),
        (["run", "--data", "human36m"], "needs the folder of data_3d_h36m.npz"),
        (["run", "--seeds", "a"], "is not a list of whole numbers"),
        (["run", "--seeds", "²"], "is not a list of whole numbers"),
        (["run", "--device", "cuda:²"], "is not a device"),
        (["run", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["ablate", "nothing"], "unknown ablation 'nothing'"),
        (["report"], "runset.json: is missing"),
    ],
)
def test_one_sentence_and_code_2(arguments, words, folders):
    result = invoke(*arguments, *folders)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output + result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_unknown_device(folders, toy_suite):
    result = invoke("run", "--method", "toy", "--device", "gpu0", *folders)
    assert result.exit_code == 2
    assert "--device gpu0" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "what is finished is kept"),
        (OSError(28, "No space left on device", "/some/where"), 2, "/some/where: cannot be written"),
    ],
)
def test_interruption_and_a_full_disk(monkeypatch, toy_suite, folders, error, code, words):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(sweep, "run", fail)
    result = invoke("run", "--method", "toy", *folders)
    assert result.exit_code == code
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_run_and_report_end_to_end(toy_suite, folders, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    result = invoke(
        "run", "--method", "toy", "--set", "training.epochs=1", "--set", "evaluation.windows=4", *folders
    )
    assert result.exit_code == 0, result.output + result.stderr
    assert "1 runs: 1 trained, 1 evaluated now" in result.output
    assert (tmp_path / "out" / "summary.md").exists()
    assert invoke("report", "--no-pdf", *folders).exit_code == 0
    (tmp_path / "store" / "index.parquet").unlink()
    assert invoke("report", "--no-pdf", "--rebuild-index", *folders).exit_code == 0


def test_methods_lists_every_method_with_its_presets():
    result = invoke("methods")
    assert result.exit_code == 0
    for name in ("tcn:", "mixste:", "d3dp:", "finepose:", "mean_pose:", "nearest_pose:", "paper"):
        assert name in result.output


def test_a_plug_in_that_does_not_import_is_a_warning_and_others_are_listed(tmp_path, monkeypatch):
    package = tmp_path / "broken-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    points = "[lifting_bench.methods]\nbroken = no_such_module:Method\ntoy = tests.bench.toy:Toy\n"
    (package / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    result = invoke("methods")
    assert result.exit_code == 0
    assert "toy: Toy (" in result.stdout
    assert "broken" not in result.stdout
    (line,) = result.stderr.splitlines()
    assert line.startswith("warning: method 'broken' of broken (lifting_bench.methods, no_such_module:Method)")


@pytest.mark.parametrize("command", ["ablate", "run"])
def test_commands_that_run_experiments_have_the_same_options(command):
    shown = invoke(command, "--help").output
    for option in ("--preset", "--data-root", "--seeds", "--set", "--workers", "--share", "--dry-run", "--store"):
        assert option in shown


def test_a_dry_run_says_what_there_is_to_do_and_does_nothing(toy_suite, folders, tmp_path):
    result = invoke("run", "--method", "toy", "--seeds", "0,1", "--dry-run", *folders)
    assert result.exit_code == 0, result.output + result.stderr
    assert "2 experiments share 2 trainings; 0 are finished, 0 failed before, 2 are to be done" in result.output
    assert not (tmp_path / "out").exists()
