"""Folders of killed reports are removed by the next one, those of running ones are not."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from models.errors import InputError
from reports.build import build
from reports.staging import LATEX, OLD_SECONDS, REPORT, staging
from tests import ROOT
from tests.reports.made_up import runset

AT_WORK = """
import sys, time
from pathlib import Path
from reports.staging import staging

with staging(Path(sys.argv[1]), sys.argv[2]) as folder:
    (folder / "half").write_text("x")
    print(folder, flush=True)
    time.sleep(60)
"""


@contextmanager
def at_work(out, prefix):
    """Another program that is making something in a folder; yields it with the name of the folder."""
    command = [sys.executable, "-c", AT_WORK, str(out), prefix]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        try:
            yield program, program.stdout.readline().strip()
        finally:
            program.kill()


@pytest.mark.parametrize("prefix", [REPORT, LATEX])
def test_what_a_killed_report_left_is_removed_by_the_next_one(tmp_path, prefix):
    with at_work(tmp_path, prefix) as (program, folder):
        with staging(tmp_path, REPORT):
            assert os.listdir(folder), "it is in use"
        os.kill(program.pid, signal.SIGKILL)
        program.wait()
        assert os.listdir(folder), "it was left behind"
        build(runset(), {}, tmp_path)
        assert not list(tmp_path.glob(".*"))


def test_what_an_older_version_left_is_removed_once_it_is_old(tmp_path):
    for name in ("young", "old"):
        (tmp_path / f"{REPORT}{name}").mkdir()
    os.utime(tmp_path / f"{REPORT}old", (0, (tmp_path / f"{REPORT}old").stat().st_mtime - OLD_SECONDS - 60))
    with staging(tmp_path, LATEX):
        assert not (tmp_path / f"{REPORT}old").exists()
    assert [path.name for path in tmp_path.iterdir()] == [f"{REPORT}young"]


def test_a_folder_goes_with_an_error_too(tmp_path):
    with pytest.raises(ZeroDivisionError), staging(tmp_path, REPORT) as folder:
        (folder / "half").write_text(str(1 / 0))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["tables", "summary.md", ""])
def test_what_is_in_the_way_is_named(tmp_path, name):
    out = tmp_path / "out"
    if name == "summary.md":
        (out / name).mkdir(parents=True)
    else:
        out.mkdir() if name else None
        (out / name).write_text("a file")
    with pytest.raises(InputError, match=rf"--out .*: .*{name} is in the way; move it, or name another folder"):
        build(runset(), {}, out)
    assert not list(tmp_path.rglob(".*"))
