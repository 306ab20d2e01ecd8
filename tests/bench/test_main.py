"""``python -m bench`` as a process: whose packages it takes, and what of its surroundings it does not obey."""

import subprocess
import sys

import pytest

from tests import ROOT


def run(folder, *arguments, code=None, **environment):
    program = ["-c", code] if code else ["-m", "bench", *arguments]
    return subprocess.run(
        [sys.executable, *program],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(folder)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(("file", "package"), [("models/__init__.py", "models"), ("reports.py", "reports")])
def test_another_package_of_the_same_name_is_told(file, package, tmp_path):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("raise SystemExit('it is imported')")
    ended = run(tmp_path, "--version")
    assert ended.returncode == 2
    hiding = path.parent if path.name == "__init__.py" else path
    assert ended.stderr.startswith(f"error: {hiding} hides the package {package!r} of {ROOT}: start in another")
    assert len(ended.stderr.splitlines()) == 1


def test_a_folder_without_python_files_hides_nothing(tmp_path):
    (tmp_path / "models").mkdir()
    assert run(tmp_path, "--version").returncode == 0


AFTER_A_COMMAND = (
    "import sys; sys.argv = ['bench', '--version']\n"
    "from bench.cli import main\n"
    "try: main()\n"
    "except SystemExit: pass\n"
)


def test_the_backend_of_a_notebook_is_not_used(tmp_path):
    code = AFTER_A_COMMAND + "import matplotlib.pyplot as plt; plt.figure(); print(plt.get_backend())"
    ended = run(tmp_path, code=code, MPLBACKEND="module://no_such_package.backend")
    assert ended.stdout.splitlines()[-1].lower() == "agg", ended.stderr


def test_letters_that_the_terminal_lacks_are_escaped(tmp_path):
    ended = run(tmp_path, code=AFTER_A_COMMAND + "print('日本')", PYTHONIOENCODING="cp1252")
    assert ended.stdout.splitlines()[-1] == r"\u65e5\u672c", ended.stderr
