"""Every command that a page prints is one: its words are understood, and a sweep can say what it would do.

``tests/test_commands_work.py`` runs the others.
"""

import ast
import itertools
import re
import shlex
import tomllib
from functools import partial

import pytest
import torch
import typer
from typer.testing import CliRunner

from bench.cli import app
from bench.cli.sweeps import plan
from bench.config.registry import METHODS
from bench.job import planning
from bench.job.blueprint import Blueprints
from bench.sweep.device_speed import TYPICAL
from tests import ROOT
from tests.bench import conftest as harness
from tests.bench import toy

toy_suite, quick_start, empty_database = harness.toy_suite, harness.quick_start, harness.empty_database

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands_of(page):
    """What stands on the lines of a page's code blocks, and in the text between backquotes."""
    text = re.sub(r"\\\n\s*", " ", page.read_text())  # a command may go on in the next line
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", rest)
    blocks += re.findall(r"^ {4,}([^`\n]+)$", rest, re.MULTILINE)
    lines = [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    commands = [part.strip() for line in [*lines, *spans] for part in line.split("&&")]
    parts = [re.sub(r"^\.(venv|nox/\w+)/bin/", "", command) for command in commands]
    parts = [re.sub(r"^lifting-bench (?=\w|--)", "python -m bench ", command) for command in parts]
    return {part for part in parts if re.search(r"\bnox -s |python -m |-m bench |^pytest ", part)}


COMMANDS = sorted(set().union(*map(commands_of, PAGES)))
NOX = [command for command in COMMANDS if command.startswith("nox")]
OTHER = [command for command in COMMANDS if command not in NOX]
SESSIONS = {
    node.name
    for node in ast.parse((ROOT / "noxfile.py").read_text()).body
    if isinstance(node, ast.FunctionDef) and node.decorator_list
}


def bench_lines():
    """Arguments of ``python -m bench`` on all pages, those that sessions of nox hand on included."""
    found = {text.partition("-m bench ")[2] for text in OTHER if "-m bench " in text}
    for command in NOX:
        session, _, arguments = command.removeprefix("nox -s ").partition(" -- ")
        if session in ("ablate", "report"):
            found.add(f"{session} {arguments}".strip())
    return [shlex.split(text) for text in sorted(found)]


def bench_arguments():
    """The same, with a folder in place of the reader's data, because one that is not there is refused."""
    return [[str(ROOT) if word.startswith("/data/") else word for word in line] for line in bench_lines()]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_what_is_installed_can_be_had_from_a_clone(page):
    """Extras exist, packages are at tested versions, and the suite itself is on no index."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    tested = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for command in re.findall(r"pip install ([^`#&|\n]+)", page.read_text()):
        words = [word for word in command.split() if not word.startswith("-") and word != "constraints.txt"]
        assert "lifting-bench" not in command
        assert " .[" not in command, "zsh takes brackets without quotes for a pattern"
        assert {one for word in words for one in re.findall(r"\w+", word.partition("[")[2])} <= extras.keys()
        named = {word for word in words if re.fullmatch(r"[\w-]+", word)}
        assert named <= tested | {"nox"}, command


def test_there_are_commands_to_test():
    assert len(NOX) > 10
    assert len(bench_arguments()) > 20


@pytest.mark.parametrize("command", NOX)
def test_sessions_exist(command):
    sessions, _, arguments = command.removeprefix("nox -s ").partition(" -- ")
    assert set(sessions.split()) - {"--install-only"} <= SESSIONS
    if sessions == "tests" and arguments:
        assert (ROOT / arguments).exists()


@pytest.mark.parametrize("command", [text for text in OTHER if "-m bench" not in text])
def test_modules_and_files_exist(command):
    words = shlex.split(command)
    module = words[words.index("-m") + 1] if "-m" in words else ""
    if module in ("venv", "pip", "pytest"):
        assert all((ROOT / word).exists() for word in words if "/" in word and "bin" not in word)
        return
    place = ROOT / (module.replace(".", "/") or words[1])
    assert place.exists() or place.with_suffix(".py").exists()


@pytest.mark.parametrize("arguments", bench_arguments(), ids=" ".join)
def test_arguments_are_understood(arguments):
    command = typer.main.get_command(app)
    if arguments[0].startswith("--"):
        assert set(arguments) <= {name for parameter in command.params for name in parameter.opts}
        return
    while arguments and hasattr(command, "commands"):
        name, *arguments = arguments
        assert name in command.commands
        command = command.commands[name]
    command.make_context("bench", arguments)


BLUEPRINTS = Blueprints(torch.device("cpu"))
"""Blueprints for all commands: what is counted of a method is the same for each."""


@pytest.fixture
def toy_data(toy_suite, monkeypatch):
    """Every data set is the toy one, long enough for windows of the papers' size; methods are the suite's."""
    for name in ("toy", "confident", "second"):
        monkeypatch.delitem(METHODS.own, name)
    monkeypatch.setattr(toy, "sequence", partial(toy.sequence, frames=600))
    monkeypatch.setattr(planning, "Blueprints", lambda device: BLUEPRINTS)
    monkeypatch.setattr(plan, "measure_speed", lambda device, threads: TYPICAL)


SWEEPS_OF = ("ablate", "run")
SWEEPS = [arguments for arguments in bench_arguments() if arguments[0] in SWEEPS_OF]


@pytest.mark.parametrize("arguments", SWEEPS, ids=" ".join)
def test_sweeps_can_be_planned(arguments, toy_data, tmp_path):
    """On the toy data, and on this machine: it may have neither a GPU nor Ray."""
    here = ["--dry-run", "--store", str(tmp_path), "--device", "cpu", "--executor", "local", "--workers", "1"]
    known = [{"mine": "tcn"}.get(word, word) for word in arguments if word != "FILE.yaml"]
    left_out = {
        place
        for place, (option, value) in enumerate(itertools.pairwise(known))
        if option == "--share" or value.startswith("training.weights=")
    }
    known = [word for place, word in enumerate(known) if not left_out & {place, place - 1}]
    result = CliRunner().invoke(app, [*known, *here])
    assert result.exit_code == 0, result.output + result.stderr
    assert "experiments" in result.output
