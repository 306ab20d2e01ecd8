"""Sealed files: what was written comes back, and nothing else does."""

import json
import os
import random
import re
from typing import ClassVar

import pytest

from bench.results.arrays import RunFiles
from bench.results.documents import (
    Shelf,
    UnreadableError,
    in_place,
    read_document,
    read_sealed,
    seal,
    unseal,
    write_document,
    write_sealed,
)
from bench.results.failure import Failure
from bench.results.files import atomic
from models.errors import InputError

FAILURE = Failure(id="0123", title="D3DP tiny", kind="diverged", reason="the loss is nan")


class Newer(Failure):
    """A failure as a newer version writes it."""

    SCHEMA: ClassVar[int] = 7


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "failures", Failure)


def test_a_sealed_document_is_json_that_any_program_reads(shelf):
    shelf.put("0123", FAILURE)
    content = json.loads(shelf.path("0123").read_text())
    assert content["document"]["reason"] == FAILURE.reason
    assert content["schema"] == 1
    assert shelf.get("0123") == FAILURE
    assert shelf.ids() == {"0123"}
    assert "0123" in shelf


def test_no_flipped_bit_gives_another_document():
    content = bytearray(seal(FAILURE).encode())
    chance = random.Random(0)
    for _ in range(2000):
        damaged = bytearray(content)
        place = chance.randrange(len(damaged) - 1)  # the line end is no content
        damaged[place] ^= 1 << chance.randrange(8)
        with pytest.raises(UnreadableError):
            unseal(bytes(damaged), Failure)


def test_no_cut_gives_another_document():
    content = seal(FAILURE).encode()
    for length in range(len(content) - 1):
        with pytest.raises(UnreadableError):
            unseal(content[:length], Failure)


def test_a_document_of_an_older_version_has_no_seal_and_is_read(shelf):
    shelf.folder.mkdir()
    shelf.path("0123").write_text(FAILURE.model_dump_json())
    assert shelf.get("0123") == FAILURE


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Invalid JSON"),
        (b'{"id": "0123"}', "title: Field required"),
        (seal(FAILURE).replace("diverged", "absorbed").encode(), "does not have its checksum"),
        (seal(Newer(**dict(FAILURE))).encode(), "a newer version .* schema 7"),
        (seal(FAILURE).encode()[:90], "its seal is damaged"),
    ],
)
def test_what_cannot_be_read_is_absent_and_kept_aside(shelf, capsys, content, reason):
    shelf.put("45", FAILURE)
    shelf.path("0123").write_bytes(content)
    assert shelf.ids() == {"45"}
    assert shelf.get("0123") is None
    assert "0123" not in shelf
    (aside,) = (shelf.folder.parent / "unreadable").iterdir()
    assert aside.read_bytes() == content
    said = capsys.readouterr().err
    assert said.count("warning") == 1
    assert str(aside) in said
    assert re.search(reason, said)
    shelf.put("0123", FAILURE)
    assert shelf.get("0123") == FAILURE


def test_a_file_of_somebody_else_is_not_damaged(shelf, monkeypatch):
    shelf.put("0123", FAILURE)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError, match="0123.json: you may not read it"):
        shelf.get("0123")
    monkeypatch.undo()
    assert shelf.get("0123") == FAILURE


def test_a_store_that_may_only_be_read_keeps_its_file(shelf, monkeypatch, capsys):
    shelf.folder.mkdir()
    shelf.path("0123").write_bytes(b"{")

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    assert shelf.get("0123") is None
    assert "it stays there (Read-only file system)" in capsys.readouterr().err


def test_what_another_program_has_made_again_stays(tmp_path, monkeypatch):
    path = tmp_path / "failures" / "0123.json"
    path.parent.mkdir()
    path.write_bytes(b"{")
    replace = os.replace

    def made_again_meanwhile(source, target):
        if source == path:
            monkeypatch.undo()
            write_document(path, FAILURE)
        replace(source, target)

    monkeypatch.setattr(os, "replace", made_again_meanwhile)
    assert read_document(path, Failure, tmp_path) is None
    assert read_document(path, Failure, tmp_path) == FAILURE


def test_binary_files_have_the_seal_before_their_content(tmp_path):
    path = tmp_path / "state.pt"
    write_sealed(path, bytes(range(256)) * 10)
    assert bytes(read_sealed(path)) == bytes(range(256)) * 10
    content = path.read_bytes()
    for place in (*range(100), 200, len(content) - 1):
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(UnreadableError):
            read_sealed(path)
    path.write_bytes(b"PK of an older version")
    assert bytes(read_sealed(path)) == b"PK of an older version"


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_files_have_the_mode_of_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        with atomic(tmp_path / "file") as file:
            file.write(b"content")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_name_of_the_greatest_length_can_be_written(tmp_path):
    path = tmp_path / ("é" * 127)
    with atomic(path) as file:
        file.write(b"content")
    assert path.read_bytes() == b"content"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_damaged_array_counts_as_absent_in_a_dry_run_too(tmp_path):
    files = RunFiles(tmp_path)
    path = files.errors_path("0" * 16)
    write_sealed(path, b"x")
    written = {path.relative_to(tmp_path).as_posix(): "f" * 64}
    for dry_run in (True, False):
        with in_place(dry_run):
            assert not files.whole(written)
        assert path.exists() is dry_run
