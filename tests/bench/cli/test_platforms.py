"""The command line where modules of Unix do not exist. No other system than Linux was at hand."""

import json
import shutil
import subprocess
import sys

from tests import ROOT
from tests.architecture import modules

UNIX = ("fcntl", "grp", "pwd", "resource", "termios")

PROGRAM = f"""
import importlib, json, sys
import psutil  # its part for Linux needs them, its part for Windows does not
sys.modules.update(dict.fromkeys({UNIX}))  # importing them raises ImportError
names, commands = json.loads(sys.argv[1])
for name in names:
    importlib.import_module(name)
from bench.cli import main
for words in commands:
    sys.argv = ["bench", *words]
    try:
        main()
    except SystemExit as end:
        print("exit", end.code, flush=True)
"""


def test_modules_and_commands_do_without_the_modules_of_unix(toy_everywhere, empty_database, tmp_path):
    places = ["--store", str(tmp_path / "store"), "--out", str(tmp_path / "out")]
    few = ["--set", "training.epochs=1", "--set", "evaluation.windows=4", "--device", "cpu"]
    commands = [
        ["--help"],
        ["methods"],
        ["run", "--method", "toy", "--data", "toy", *few, *places],
        ["runs", "list", "--status", "finished", *places],
    ]
    (tmp_path / "store").mkdir()
    shutil.copy(empty_database, tmp_path / "store" / "mlflow.db")
    names = [name for name in modules() if not name.endswith("__main__")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, json.dumps([names, commands])],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.stdout.count("exit 0\n") == len(commands), done.stdout + done.stderr
    for words in ("Usage: ", "finepose", "1 runs: 1 trained, 1 evaluated now", "finished  "):
        assert words in done.stdout
