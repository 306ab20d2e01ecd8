"""What goes into the archives that pip installs from, where a user's files lie beside the suite's."""

import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

from tests import ROOT

BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


def tracked():
    """Every file of the repository; a source archive has no repository, so there nothing is tested."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode or "MANIFEST.in" not in done.stdout.splitlines():
        pytest.skip("needs a clone of the repository")
    return [name for name in done.stdout.splitlines() if (ROOT / name).exists()]


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A copy of the repository in which a user has worked, with a store and results."""
    folder = tmp_path_factory.mktemp("clone") / "clone"
    for name in [*tracked(), "bench-store/trainings/mine.py", "results/tables/x.py"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder / name)
        else:
            (folder / name).touch()
    return folder


def built(kind, used, target):
    """The names in an archive that is built of the copy."""
    command = [sys.executable, "-W", "ignore", "-c", BUILD, f"build_{kind}", str(target)]
    subprocess.run(command, cwd=used, capture_output=True, check=True)
    (file,) = target.iterdir()
    if kind == "wheel":
        return zipfile.ZipFile(file).namelist()
    return [name.partition("/")[2] for name in tarfile.open(file).getnames()]


def test_the_source_archive_is_complete(used, tmp_path):
    names = built("sdist", used, tmp_path)
    assert set(tracked()) - set(names) == set()
    assert not [name for name in names if name.startswith(("bench-store", "results"))]


def test_a_wheel_has_the_packages_and_nothing_that_lies_beside_them(used, tmp_path):
    names = [name for name in built("wheel", used, tmp_path) if ".dist-info/" not in name]
    packages = ("models", "baselines", "bench", "ablations", "reports")
    wanted = [name for name in tracked() if name.startswith(tuple(f"{package}/" for package in packages))]
    assert set(wanted) == set(names)
