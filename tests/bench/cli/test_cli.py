"""Bad input at the command line: one sentence, exit code 2, no traceback."""

import re
import sys
import warnings

import pytest
from typer.testing import CliRunner

from bench import cli
from bench.cli import app
from bench.sweep import run as sweep
from models.errors import InputError
from tests.bench.data.bvh import bvh_text


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folders(tmp_path):
    return ["--store", tmp_path / "store", "--out", tmp_path / "out"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--method", "tcm"], "unknown method 'tcm'"),
        (["run", "--preset", "huge"], "error: --preset huge: there is no such size; allowed: base, paper, small"),
        (
            ["ablate", "blocks", "--preset", "papr"],
            "--preset papr: there is no such size; did you mean 'paper'",
        ),
        (["run", "--set", "training.epochs=x"], "key 'training.epochs' is 'x', but must be a whole number"),
        (["run", "--set", "training.epoch=1"], "unknown key 'training.epoch'"),
        (["run", "--set", "training.epochs"], "is not of the form key=value"),
        (
            ["run", "--method", "tcn", "--share", "x"],
            "--share x: is not of the form key=value, for example num_gpus=1",
        ),
        (["ablate", "sampling", "--budget", "0h", "--dry-run"], "--budget 0h: is no time; write 8h"),
        (["run", "--data", "humaneva"], "unknown data set 'humaneva'"),
        (["run", "--data", "human36m"], "needs the folder of data_3d_h36m.npz"),
        (["run", "--data", "human36m"], "name it with --data-root"),
        (["run", "--seeds", "a"], "is not a list of whole numbers"),
        (["run", "--seeds", "²"], "is not a list of whole numbers"),
        (["run", "--seeds", "9" * 1000], "is not a list of whole numbers below 2^31"),
        (["run", "--seeds", "0" + ",0" * 700], "--seeds: has 701 numbers; at most 500 are run"),
        (
            ["run", "--seeds", "9999999999"],
            "'training.seed' is 9999999999, but must be less",
        ),
        (["run", "--device", "cuda:²"], "is not a device"),
        (["run", "--device", "cuda:" + "9" * 1400], "is not a device"),
        (["run", "--method", ""], "argument 3 '' is empty: give a value or leave it out"),
        (["run", "--data="], "argument 2 '--data=' is empty"),
        (["run", "--method", "x" * 7000], "has 7,000 characters: at most 6,000 are read"),
        (["run", "--method", "\x1b[31m\0\n"], "'\\x1b[31m\\x00\\n' has characters that cannot be shown"),
        (["run", "\udcff.yaml"], "argument 2 '\\udcff.yaml' has characters that cannot be shown"),
        (["run", "n" * 300 + ".yaml"], ": cannot be read (File name too long)"),
        (["run", "--set", "training.clip=.inf"], "'.inf' is not a finite number"),
        (["run", "--set", "training.clip=inf"], "'training.clip' is 'inf', but must be a finite number"),
        (["run", "--set", "evaluation.aggregations=[]"], "'evaluation.aggregations' is []"),
        (["run", "--set", "a" + ".a" * 700 + "=1"], "no key has more than 10 parts"),
        (["run", "--data", "human36m", "--set", "data.root=" + "r" * 300], "File name too long"),
        (["run", "--set", "training.seed.x=1"], "key 'training.seed' is {'x': 1}"),
        (["run", "--data-root", "nowhere"], "nowhere: cannot be read (No such file or directory)"),
        (["run", "/dev/null"], "/dev/null: the description is empty, but must be a mapping of the keys method, "),
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


@pytest.mark.parametrize("command", ["check", "describe"])
def test_the_root_of_data_must_be_there(command, tmp_path):
    for root in (tmp_path / "gone", tmp_path / ("n" * 300)):
        result = invoke("data", command, "--data-root", root)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"error: {root}: cannot be read (")
        assert len(result.stderr.splitlines()) == 1
    (tmp_path / "file").touch()
    result = invoke("data", command, "human36m", "--data-root", tmp_path / "file")
    assert result.exit_code == 2
    assert "data_3d_h36m.npz does not exist: put the file there, or name the folder that has it" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["data", "check"], ["data", "describe"], ["run", "--dry-run"], ["compare-speed", "tcn", "tcn"]],
)
def test_a_root_without_its_data_set_is_refused(arguments, tmp_path):
    result = invoke(*arguments, "--data-root", tmp_path)
    assert result.exit_code == 2
    assert "data set population reads no files" in result.stderr
    assert "name the data set of these files too" in result.stderr


def test_a_single_bvh_file_is_a_root_for_every_command(tmp_path, folders):
    file = tmp_path / "walk.bvh"
    file.write_text(bvh_text(frames=300))
    for command in (["data", "describe", "bvh"], ["data", "check", "bvh"], ["run", "--dry-run", "--data", "bvh"]):
        result = invoke(*command, "--data-root", file, *(folders if command[0] == "run" else ()))
        assert (result.exit_code in (0, 1), result.stderr) == (True, ""), result.output
        assert "one take only: its last third tests" in result.output or "nothing is done in it" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--workers", "x"], "Invalid value for '--workers': "),
        (["run", "--workers", "0"], "Invalid value for '--workers': "),
        (["runs", "list", "--seed", "x"], "Invalid value for '--seed': "),
        (["runs", "list", "--sed", "1"], "No such option: --sed"),
        (["--nope"], "No such option: --nope; `"),
        (["nope"], "No such command 'nope'; `"),
        (["abalte"], "No such command 'abalte'; did you mean 'ablate'?"),
        (["runs", "show"], "Missing argument 'ID'; `"),
    ],
)
def test_words_that_are_not_understood_are_one_sentence_too(arguments, words):
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {words}")
    assert result.stderr.endswith((" --help` says what there is\n", "'?\n"))
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [[], ["runs"], ["data"]])
def test_without_words_a_group_of_commands_shows_its_help_page(command):
    shown, asked = invoke(*command), invoke(*command, "--help")
    assert (shown.stdout + shown.stderr).split() == asked.stdout.split()
    assert asked.exit_code == 0


@pytest.mark.parametrize("option", ["threads", "workers"])
@pytest.mark.parametrize("number", ["0", "-1", "99999999999999999999", "9" * 1400, "²", "1e3"])
def test_numbers_out_of_range_are_refused(option, number, folders):
    result = invoke("run", f"--{option}", number, *folders)
    assert result.exit_code == 2
    assert f"Invalid value for '--{option}'" in result.stderr
    assert len(result.stderr.splitlines()) == 1


PLACES = {
    "a file": lambda folder: folder / "file",
    "below a file": lambda folder: folder / "file" / "x",
    "a long name": lambda folder: folder / "new" / ("n" * 256),
    "not of this world": lambda folder: "/proc/new/x",
}


@pytest.mark.parametrize("command", [["run", "--method", "toy"], ["ablate", "sampling"], ["report"]])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_out_is_looked_at_before_anything_is_done(command, place, tmp_path, monkeypatch, toy_suite):
    monkeypatch.setattr(sweep, "run", lambda *arguments, **more: pytest.fail("it runs"))
    (tmp_path / "file").touch()
    result = invoke(*command, "--store", tmp_path / "store", "--out", place(tmp_path))
    assert result.exit_code == 2, result.output
    assert "name a" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_store_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    for command in (["run"], ["report"], ["doctor"]):
        result = invoke(*command, "--store", tmp_path / "file")
        assert (result.exit_code, result.stderr) == (2, f"error: {tmp_path / 'file'}: is a file; name a folder\n")


def test_a_damaged_run_set_is_made_again_by_the_command_that_made_it(tmp_path, folders):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "runset.json").write_text("{")
    told = invoke("report", *folders).stderr
    assert told.endswith(
        f"give the `ablate` or `run` command that made it once more, with --out {tmp_path / 'out'}\n"
    )


def test_warnings_are_one_line_without_a_place_in_the_code(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setattr(cli, "app", lambda: None)
    cli.main()
    assert warnings.formatwarning("left out", UserWarning, "x.py", 1, "y = 1") == "warning: left out\n"


def test_the_help_of_ablate_names_what_is_declared():
    told = re.sub(r"[\s│]+", " ", CliRunner().invoke(app, ["ablate", "--help"]).output)
    assert "methods, mpi_inf_3dhp, pareto" in told


def test_the_version_is_printed():
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.output.startswith("lifting-bench")


def test_an_unknown_device(folders, toy_suite):
    result = invoke("run", "--method", "toy", "--device", "gpu0", *folders)
    assert result.exit_code == 2
    assert "--device gpu0" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "what is finished is kept"),
        (OSError(28, "No space left on device", "/some/where"), 2, "/some/where: cannot be written"),
        (OSError(28, "No space left on device"), 2, "the store or an output folder: cannot be written"),
        (OSError(5, "Input/output error"), 2, "the store or an output folder: cannot be written"),
        (OSError(36, "File name too long", "x\ny"), 2, "x\\ny: cannot be used (File name too long)"),
        (EOFError("too short"), 2, "a file ends before its content does (too short)"),
        (InputError("\x1b[31m" + "x" * 9000), 2, "error: \\x1b[31mxxx"),
    ],
)
def test_interruption_and_a_full_disk(monkeypatch, toy_suite, folders, error, code, words):
    def fail(*arguments, **more):
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
    assert "diffpose: DiffPose (probabilistic: H and K apply)" in result.output
    assert "tcn: TCN (deterministic)" in result.output


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("raise EOFError", "cannot be imported: EOFError: EOFError"),
        ("import sys; sys.exit(3)", "cannot be imported: SystemExit: 3"),
        ("Method = 3", "is no subclass of models.lifter.Lifter"),
        ("class Method: pass", "is no subclass of models.lifter.Lifter"),
    ],
)
def test_a_plug_in_that_is_no_method_is_a_sentence_and_stops_none(module, said, folders, tmp_path, monkeypatch):
    package = tmp_path / "broken-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    points = "[lifting_bench.methods]\nbroken = broken_method:Method\ntoy = tests.bench.toy:Toy\n"
    (package / "entry_points.txt").write_text(points)
    (tmp_path / "broken_method.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_method", raising=False)
    sentence = f"method 'broken' of broken (lifting_bench.methods, broken_method:Method) {said}"
    listed = invoke("methods")
    assert listed.exit_code == 0
    assert "toy: Toy (" in listed.stdout
    assert "broken" not in listed.stdout
    assert listed.stderr.splitlines() == [f"warning: {sentence}"]
    named = invoke("run", "--method", "broken", "--dry-run", *folders)
    assert named.exit_code == 2
    assert sentence in named.stderr
    with pytest.warns(UserWarning, match=re.escape(sentence)):
        planned = invoke("ablate", "detections", "--dry-run", *folders)
    assert planned.exit_code == 0


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


@pytest.mark.parametrize(("typed", "offered"), [("ab", "ablate"), ("ablate --dry", "--dry-run")])
def test_the_shell_completes_commands_and_options(typed, offered):
    words = f"lifting-bench {typed}"
    asked = {
        "_LIFTING_BENCH_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    result = CliRunner().invoke(app, [], prog_name="lifting-bench", env=asked)
    assert result.output.split() == [offered]
