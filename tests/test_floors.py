"""A room imports only from the rooms below it, no modules import each other, and the command line loads little."""

import ast
import subprocess
import sys

import pytest

from tests import ROOT
from tests.architecture import ORDER, arrows, imports, modules, points_down, room_of, rooms
from tests.architecture_picture import COMMAND, PICTURE, picture


def test_every_module_has_a_place():
    known = {room for package in ORDER for room in rooms(package)}
    stray = {module for module in modules() if room_of(module) not in known and module not in ORDER}
    assert stray == set()


def test_imports_point_down():
    known = {room for package in ORDER for room in rooms(package)}
    up = {f"{room} -> {other}" for room, other in arrows() if room in known and not points_down(room, other)}
    assert up == set()


def test_reports_use_of_the_harness_only_its_records_and_names():
    for module in modules():
        if module.startswith("reports"):
            used = {room_of(name) for name in imports(module) if name.startswith("bench")}
            assert used <= {"bench.results", "bench.config"}, module


def test_nothing_imports_the_command_line():
    users = {module for module in modules() if any(room_of(name) == "bench.cli" for name in imports(module))}
    assert {module for module in users if room_of(module) != "bench.cli"} == {"bench.__main__"}


def test_no_modules_import_each_other_in_a_circle():
    left = {module: imports(module) for module in modules()}
    while free := [module for module, used in left.items() if not used & left.keys()]:
        for module in free:
            del left[module]
    circles = {module for module in left if _reaches(module, module, left)}
    assert circles == set()


def test_only_the_registry_imports_modules_by_their_names():
    """Elsewhere such an import would be hidden from this test and from the type checker."""
    users = set()
    for module, path in modules().items():
        tree = ast.parse(path.read_text())
        texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        named = {str(text).partition(":")[0].rstrip(".") for text in texts}
        if "import_module" in path.read_text() and any("." in name for name in named & modules().keys()):
            users.add(module)
    assert users - {"bench.config.registry"} == set()


def test_the_picture_of_the_rooms_is_that_of_the_imports():
    assert PICTURE.read_text() == picture(), f"the rooms changed; draw the picture again with `{COMMAND}`"


def test_the_page_about_the_rooms_names_each():
    page = (ROOT / "docs" / "architecture.md").read_text()
    for package in ORDER:
        for room in rooms(package):
            path = room.replace(".", "/")
            if (ROOT / path).is_dir():
                assert f"`{path}/`" in page or f"`{path.partition('/')[2]}/`" in page, path


@pytest.mark.parametrize(
    "command",
    [
        [], ["run"], ["ablate"], ["report"], ["methods"], ["doctor"], ["peak"], ["compare-speed"], ["predict"],
        ["compare-on"], ["data"], ["data", "describe"], ["data", "check"], ["data", "prepare"],
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


def _reaches(start, end, used):
    found, left = set(), [start]
    while left:
        new = (used[left.pop()] & used.keys()) - found
        found |= new
        left += new
    return end in found
