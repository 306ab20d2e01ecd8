"""Random values at the command line: exit code 0, or one short sentence and 2, and no file is made."""

import random

import pytest
from typer.testing import CliRunner

from bench.cli import app
from tests.hostile import LONGEST, SCALARS, path_names, yaml_texts

KEYS = (
    "method.name", "method.options.x", "data.root", "data.detections", "training.epochs", "training.clip",
    "training", "training.weights", "evaluation.windows", "evaluation.hypotheses", "evaluation.tail", "x",
)  # fmt: skip
CASES = 150


def commands(seed, folder):
    """Arguments of commands that end soon, each with a hostile value somewhere."""
    choose = random.Random(seed)
    paths = path_names(seed, CASES, folder)
    for path, text in zip(paths, yaml_texts(seed, CASES, parts=2), strict=True):
        value = choose.choice(SCALARS)
        toy = ["run", "--method", "toy", "--dry-run", "--workers", "1"]
        yield choose.choice(
            (
                [*toy, "--set", f"{choose.choice(KEYS)}={text}"],
                [*toy, choose.choice(("--seeds", "--device", "--threads", "--executor", "--preset")), value],
                [*toy, choose.choice(("--out", "--store", "--data-root")), path],
                [*toy, path],
                [*toy, "--share", f"{value}={text}"],
                ["ablate", choose.choice((path, value, f"sampling={value}")), "--dry-run", "--method", "x"],
                ["data", "describe", "bvh", "--data-root", path, "--set", f"unit={text}"],
                ["report", "--no-pdf", "--format", value],
                ["report", "--no-pdf", "--out", path, "--store", path],
                ["import-checkpoint", path, "--method", "tcn", "--set", f"heads={text}"],
                ["compare-speed", f"toy,{value}={text}", value],
                [value, path],
            )
        )


@pytest.mark.parametrize("seed", [0])
def test_every_command_ends_with_a_sentence_or_well(seed, tmp_path, monkeypatch, toy_suite):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a file").write_text("title: T")
    refused = 0
    for arguments in commands(seed, tmp_path):
        result = CliRunner().invoke(app, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), arguments
        assert result.exit_code in (0, 2), (arguments, result.output)
        if result.exit_code == 2:
            refused += 1
            assert len(result.stderr) < 2 * LONGEST, arguments
            assert all(line.isprintable() for line in result.stderr.splitlines()), arguments
            assert len(result.stderr.splitlines()) == 1 or not result.stderr.startswith("error: "), arguments
    assert CASES // 2 < refused < CASES
    assert [path.name for path in tmp_path.iterdir()] == ["a file"]
