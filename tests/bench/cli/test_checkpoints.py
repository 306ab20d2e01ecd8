"""``import-checkpoint``: the file is written whole or not at all, and every refusal is one sentence."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bench.cli import app
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
