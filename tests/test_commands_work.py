"""Commands that a page prints are run: on runs and weights that come with the suite, and on motion that is shared.

``tests/test_commands.py`` has what all commands are tested for; sweeps are planned there.
"""

import re
import shutil
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from bench.cli import app
from tests import ROOT, SHARED
from tests.bench import conftest as harness
from tests.bench.data.mpi_inf_3dhp import mpi_files
from tests.bench.footage import walker
from tests.test_commands import SWEEPS_OF, bench_lines

quick_start, empty_database = harness.quick_start, harness.empty_database

ELSEWHERE = {
    "--install-completion": "changes the settings of the shell; tests/bench/cli/test_cli.py completes words",
    "compare-speed": "takes minutes; tests/bench/job/test_compare_speed.py",
    "--device cuda": "needs a GPU",
    "data describe synthetic": "is slow; `nox -s figures` makes these pictures, tests/bench/data/inspect others",
    "data prepare": "needs licensed downloads; test_prepare.py of each data set has made-up ones",
    "import-checkpoint": "needs a published checkpoint; tests/bench/cli/test_checkpoints.py",
    "runs export runs.zip --weights": "needs trainings in the store; tests/bench/cli/runs/test_archives.py",
}
"""Parts of commands that are not run here, and why or where they are."""

COMMANDS = [
    line
    for line in bench_lines()
    if line[0] not in SWEEPS_OF and not any(part in " ".join(line) for part in ELSEWHERE)
]

ARCHIVE = ROOT / "docs" / "results" / "weights" / "runs.zip"
"""Six runs, which stand for those of any sweep."""

STANDS_FOR = {"3f2a": "4f8c75bc", "9bc0": "74058436", "mine": "finepose"}
"""Id or name in the documentation → what stands for it, of these six runs."""

FRAMES = 27
"""Frames of the clip: the longest window of the weights that come with the suite."""


@pytest.fixture(scope="module")
def used(tmp_path_factory, empty_database):
    """A folder in which a user has worked: stores with results, an archive, a clip, choices for a paper."""
    folder = tmp_path_factory.mktemp("used")
    shutil.copy(ARCHIVE, folder / "runs.zip")
    store, results = folder / "bench-store", folder / "results"
    store.mkdir()
    shutil.copy(empty_database, store / "mlflow.db")
    done = call("runs", "import", ARCHIVE, "--store", store, "--out", results)
    assert done.exit_code == 0, done.output + done.stderr
    for copy in ("default-store", "other-store"):
        shutil.copytree(store, folder / copy)
    for copy in ("default-results", "other-results", "results-after", "results-h36m"):
        shutil.copytree(results, folder / copy)
    (folder / "paper.yaml").write_text(example_of_a_paper())
    walker.write_mmpose(folder / "clip.json", [walker.in_layout("coco", frames=FRAMES)])
    return folder


def call(*words, answer=None):
    return CliRunner().invoke(app, [str(word) for word in words], input=answer)


def example_of_a_paper():
    """What the page of reports prints, of the tables that six runs have."""
    page = (ROOT / "docs" / "reports.md").read_text()
    (text,) = re.findall(r"^```yaml\n(methods:.*?)^```", page, re.DOTALL | re.MULTILINE)
    return text


@pytest.fixture
def here(used, tmp_path, monkeypatch, quick_start):
    """A copy of the folder, in which commands are given; pictures, which take seconds each to draw, are empty."""
    monkeypatch.setattr(Figure, "savefig", lambda _, path, **options: Path(path).touch())
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(used, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def root_of(line, folder):
    """In place of the reader's data: shared files of the same form, or made-up ones."""
    if "mpi_inf_3dhp" in line:
        (folder / "3dhp").mkdir()
        return mpi_files.write(folder / "3dhp", "univ_annot3", frames=100)
    found = SHARED / "data" / ("cmu_h36m_format" if "human36m" in line else "cmu_bvh")
    if not found.exists():
        pytest.skip(f"{found} is not there")
    return found


def as_given_here(line, folder):
    words = [STANDS_FOR.get(word, word) for word in line]
    words = [str(root_of(line, folder)) if word.startswith("/data/") else word for word in words]
    if "layout={subject}_{action}_{any}" in words:
        words[words.index("--data-root") + 1] = str(folder / "own")
        (folder / "own").mkdir()
        for path in sorted(root_of(line, folder).rglob("*.bvh"))[:2]:
            shutil.copy(path, folder / "own" / f"S1_walk_{path.name}")
    if line[:2] == ["runs", "import"]:
        assert (ROOT / line[2]).exists() or line[2] == "runs.zip"
        words[2] = "runs.zip"  # a small one
    if line[0] == "report" and "--compare" not in line:
        words.append("--no-pdf")  # `nox -s latex` compiles one
    return words


@pytest.mark.parametrize("line", COMMANDS, ids=" ".join)
def test_a_command_does_what_it_says(line, here):
    done = call(*as_given_here(line, here), answer="y\n")
    assert done.exit_code == 0, done.output + done.stderr
    assert done.output


def test_every_command_of_the_program_stands_on_a_page():
    there = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert there <= {line[0] for line in bench_lines()}
    printed = [" ".join(line) for line in bench_lines()]
    assert all(any(part in line for line in printed) for part in ELSEWHERE), "left out here, still printed"
