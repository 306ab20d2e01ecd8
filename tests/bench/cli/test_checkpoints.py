"""``import-checkpoint``: the file is written whole or not at all, and every refusal is one sentence."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bench.cli import app
from bench.config.registry import CHECKPOINTS
from models.checkpoints.importer import read_imported
from tests import GOLDEN

MIXSTE = GOLDEN / "checkpoints" / "mixste.bin"


def import_checkpoint(out: Path, method: str = "mixste") -> Result:
    return CliRunner().invoke(app, ["import-checkpoint", str(MIXSTE), "--method", method, "--out", str(out)])


def check_refused(result: Result, words: str) -> None:
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_file_is_written_in_place_of_an_older_one(tmp_path: Path) -> None:
    target = tmp_path / "x.safetensors"
    target.write_bytes(b"older")
    result = import_checkpoint(target)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"wrote {target}: ")
    assert list(tmp_path.iterdir()) == [target]
    assert target.stat().st_size > 1000


@pytest.mark.parametrize("name", ["path", "adapter", "nothing", "", "a b"])
def test_an_option_that_there_is_not_is_told(name: str, tmp_path: Path) -> None:
    command = ["import-checkpoint", str(MIXSTE), "--method", "mixste", "--set", f"{name}=1"]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "x")])
    check_refused(result, "is not of the form key=value, for example heads=8" if not name else f"{name!r}")
    assert not list(tmp_path.iterdir())


def test_a_method_without_published_checkpoints_is_named(tmp_path: Path) -> None:
    result = import_checkpoint(tmp_path / "x", method="mean_pose")
    check_refused(result, "'mean_pose' has no published checkpoints: take one of anatomy, d3dp, diffpose, ")


UNWRITABLE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing folder": (lambda folder: folder / "missing" / "x", "there is no folder"),
    "target is a folder": (lambda folder: folder, "cannot be written (Is a directory)"),
    "file as a folder": (lambda folder: MIXSTE / "x", "there is no folder"),
    "long name": (lambda folder: folder / ("x" * 300), "cannot be written (File name too long)"),
    "long folder": (lambda folder: folder / ("x" * 300) / "x", "cannot be written (File name too long)"),
}


@pytest.mark.parametrize(("place", "words"), UNWRITABLE.values(), ids=UNWRITABLE)
def test_a_place_that_cannot_be_written_is_one_sentence(
    place: Callable[[Path], Path], words: str, tmp_path: Path
) -> None:
    check_refused(import_checkpoint(place(tmp_path)), words)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_older_file(tmp_path: Path) -> None:
    target = tmp_path / "x.safetensors"
    target.write_bytes(b"older")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        result = import_checkpoint(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    check_refused(result, "cannot be written (File too large)")
    assert target.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [target]


PLUGIN = """
from baselines.published import mixste
from dataclasses import replace

ADAPTER = replace(mixste.ADAPTER, method="mine")
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package outside the repository that knows published checkpoints; one of its entry points is broken."""
    metadata = tmp_path / "my_checkpoints-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-checkpoints\nVersion: 1.0\n")
    points = ["[lifting_bench.checkpoints]", "mine=my_checkpoints:ADAPTER", "broken=my_checkpoints:NOTHING"]
    (metadata / "entry_points.txt").write_text("\n".join(points))
    (tmp_path / "my_checkpoints.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("installed")
def test_an_adapter_of_another_package_is_found(tmp_path: Path) -> None:
    result = import_checkpoint(tmp_path / "mine.safetensors", method="mine")
    assert result.exit_code == 0, result.output
    assert read_imported(tmp_path / "mine.safetensors", CHECKPOINTS.load).method == "mine"


@pytest.mark.usefixtures("installed")
def test_a_broken_adapter_is_one_sentence_and_stops_no_other(tmp_path: Path) -> None:
    words = "published checkpoint 'broken' of my-checkpoints (lifting_bench.checkpoints, my_checkpoints:NOTHING)"
    check_refused(import_checkpoint(tmp_path / "x.safetensors", method="broken"), words)
    assert import_checkpoint(tmp_path / "x.safetensors").exit_code == 0
