"""A part of what ``nox -s chaos`` goes through: faults at some file operations and some named points."""

import json
import subprocess
import sys

import pytest

from tests import ROOT
from tests.chaos.enumeration import SITUATIONS
from tests.chaos.faults import KINDS, Operation
from tests.chaos.points import POINTS


def chaos(tmp_path, *arguments):
    """Figures of ``python -m tests.chaos``."""
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tests.chaos", *arguments, "--json", str(file)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3600 * 6)
    assert file.exists(), ended.stderr[-2000:]
    figures = json.loads(file.read_text())
    print(ended.stdout)
    assert (ended.returncode, figures["findings"]) == (0, [])
    return figures


def test_some_faults(tmp_path):
    figures = chaos(tmp_path, "--situations", "sweep", "--some", "2", "--points", "1")
    assert sum(figures["struck"].values()) == 3


@pytest.mark.chaos
@pytest.mark.parametrize("situation", list(SITUATIONS))
def test_every_operation(tmp_path, situation):
    figures = chaos(tmp_path, "--situations", situation)
    assert figures["operations"][situation] > 20
    assert {kind for key in figures["struck"] for kind in KINDS if key.endswith(kind)} == set(KINDS)


@pytest.mark.chaos
def test_every_point(tmp_path):
    figures = chaos(tmp_path, "--points", "0")
    assert sum(figures["struck"].values()) == len(POINTS)


@pytest.mark.chaos
def test_every_damage(tmp_path):
    figures = chaos(tmp_path, "--damages", "0")
    assert sum(figures["struck"].values()) > 100


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("records/96d899469264565b.json", "rename records/ID.json"),
        ("records/.96d899469264565b.json.0a1b2c3d", "rename records/.ID.json.RANDOM"),
        ("trainings/96d899469264565b+ecedd3100bf4e85a/.state.pt.0a1b2c3d", "rename trainings/ID/.state.pt.RANDOM"),
        (".report-4fwkp4d0/tables/small.tex", "rename .report-RANDOM/tables/small.tex"),
        ("index.parquet", "rename index.parquet"),
    ],
)
def test_operations_that_are_alike_have_one_label(path, label):
    assert Operation("rename", path).label == label
