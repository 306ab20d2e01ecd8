"""A room imports only from the floors below it, and the command line loads little."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

FLOORS = {
    "models": {"models"},
    "baselines": {"models", "baselines"},
    "bench": {"models", "bench"},
    "ablations": {"models", "bench", "ablations"},
    "reports": {"models", "bench", "reports"},
}
ROOF = ROOT / "bench" / "cli"


def _imports(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules.add(node.module or "")
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_point_down(floor):
    files = [path for path in (ROOT / floor).rglob("*.py") if ROOF not in path.parents]
    assert files
    for path in files:
        above = {name for name in _imports(path) if name.split(".")[0] in FLOORS.keys() - FLOORS[floor]}
        assert not above, f"{path} imports {above}"


def test_reports_meet_the_harness_in_its_records_only():
    for path in (ROOT / "reports").rglob("*.py"):
        for name in _imports(path):
            if name.split(".")[0] == "bench":
                assert name.startswith(("bench.results.", "bench.config.")), f"{path} imports {name}"


def test_nothing_imports_the_command_line():
    for floor in FLOORS:
        for path in (ROOT / floor).rglob("*.py"):
            if path.name != "__main__.py" and ROOF not in path.parents:
                assert not {name for name in _imports(path) if name.split(".")[:2] == ["bench", "cli"]}, path


@pytest.mark.parametrize(
    "command",
    [
        [], ["run"], ["ablate"], ["report"], ["methods"], ["doctor"], ["peak"], ["compare-speed"],
        ["data"], ["data", "describe"], ["data", "check"], ["data", "prepare"],
    ],
)  # fmt: skip
def test_help_loads_neither_torch_nor_numpy(command):
    code = (
        "import sys; from bench.cli import app\n"
        f"try: app({[*command, '--help']!r})\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "assert not {'torch', 'numpy', 'pandas', 'mlflow'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, timeout=60)
