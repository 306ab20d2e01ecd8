"""Damaged and malicious ``.npz`` files: one sentence, without code run, memory taken, or time."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bench.cli import app
from bench.data.archive import read_archive
from bench.data.human36m.cameras import SUBJECTS
from models.errors import InputError
from tests.bench.data.human36m.test_reader import Folder, read
from tests.bench.data.test_archive import boxed, write_object
from tests.hostile import ATTACKS, bombs, check_sentence, little_memory, rezipped

RECONSTRUCT = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
FORGED = {
    "objects without the objects": RECONSTRUCT
    + b"(I1\n(I10000000000\ntcnumpy\ndtype\n(S'O8'\nI00\nI01\ntRI00\n(ltb.",
    "more numbers than bytes": RECONSTRUCT
    + b"(I1\n(I10000000000\ntcnumpy\ndtype\n(S'f8'\nI00\nI01\ntRI00\nS'ab'\ntb.",
    "negative shape": RECONSTRUCT + b"(I1\n(I-1\ntcnumpy\ndtype\n(S'f8'\nI00\nI01\ntRI00\nS''\ntb.",
    "array made by its class": b"cnumpy\nndarray\n((I10000000000\ntS'O'\ntR.",
    "objects declared to be none": b"cnumpy._core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O8'\nI00\nI01\ntR"
    b"(I3\nS'|'\nNNNI8\nI8\nI0\ntbS'12345678'\ntR.",
    "data type with fields": b"cnumpy\ndtype\n(S'V8'\nI00\nI01\ntR.",
    "data type of fields": b"cnumpy\ndtype\n((lp0\n(S'a'\nS'O'\ntaI00\nI01\ntR.",
    "parts for a data type": b"cnumpy\ndtype\n(S'f8'\nI00\nI01\ntR(I3\nS'<'\nN(S'a'\nt}I8\nI8\nI0\ntb.",
    "code for a function": b"cnumpy\ndtype\n(N}S'__code__'\nNstb.",
    "item of an array": RECONSTRUCT + b"I0\nI1\ns.",
}


@pytest.mark.parametrize("attack", [*ATTACKS, *FORGED])
def test_attacks_are_harmless(attack: str, tmp_path: Path) -> None:
    path = write_object(tmp_path / "a.npz", (ATTACKS | FORGED)[attack])
    with little_memory():
        try:
            value = read_archive(path, "value")
        except InputError as error:
            check_sentence(error)
        else:
            assert value is None or value is True or isinstance(value, list), attack


def test_bombs_are_refused_unopened(tmp_path: Path) -> None:
    for path in bombs(tmp_path, "value.npy"):
        with little_memory(), pytest.raises(InputError, match="not read|cut short") as error:
            read_archive(path, "value")
        check_sentence(error.value)


@pytest.mark.parametrize("shape", [(1 << 40,), (1 << 62, 4), (-1,), (1 << 40, 0), (3,)])
@pytest.mark.parametrize("descr", ["<f8", "|V0", "|S1000000"])
def test_plain_arrays_cannot_claim_more_than_there_is(shape: Any, descr: str, tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("value.npy", header.getvalue() + bytes(8))
    with little_memory():
        try:
            assert np.asarray(read_archive(tmp_path / "a.npz", "value")).size == 0
        except InputError as error:
            check_sentence(error)


def test_other_archives_of_the_world(tmp_path: Path) -> None:
    for name, content in (("value.npy", b"\x93NUMPY\x01\x00\xff\xff{"), ("value.npy", b"x"), ("\x1b[31m", b"x")):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr(name, content)
        with pytest.raises(InputError) as error:
            read_archive(tmp_path / "a.npz", "value")
        check_sentence(error.value)


mutations = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6)
unhurried = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def mutated(data: bytes, changes: list[tuple[float, int]], keep: float = 1.0) -> bytes:
    """The data with some bytes replaced, cut off after a part."""
    changed = bytearray(data[: max(1, round(keep * len(data)))])
    for place, value in changes:
        changed[int(place * len(changed))] = value
    return bytes(changed)


def whole(value: Any, protocol: int) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    return header.getvalue() + pickle.dumps(boxed(value), protocol=protocol)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Folder(tmp_path_factory.mktemp("h36m"))
    for kind in (folder.poses, folder.keypoints):
        for subject in SUBJECTS:
            for action in kind[subject]:
                views = kind[subject][action]
                kind[subject][action] = views[:1] if kind is folder.poses else [view[:1] for view in views]
    folder.read()
    return folder.root


@pytest.mark.parametrize("file", ["data_3d_h36m.npz", "data_2d_h36m_cpn_ft_h36m_dbb.npz"])
@unhurried
@given(changes=mutations, keep=st.sampled_from([1.0, 1.0, 0.9, 0.3]), structure=st.booleans())
def test_damaged_files_are_read_or_one_sentence(
    root: Path, tmp_path: Path, file: str, changes: Any, keep: float, structure: bool
) -> None:
    for path in root.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    if structure:  # what the archive's checksums would otherwise hide
        with zipfile.ZipFile(root / file) as archive:
            (member,) = archive.namelist()
            content = mutated(archive.read(member), changes, keep)
        rezipped(root / file, tmp_path / file, member, content)
    else:
        (tmp_path / file).write_bytes(mutated((root / file).read_bytes(), changes, keep))
    try:
        read(tmp_path, "cpn")
    except InputError as error:
        check_sentence(error)


@unhurried
@given(changes=mutations, protocol=st.integers(0, 5))
def test_every_pickle_protocol_may_be_damaged(tmp_path: Path, changes: Any, protocol: int) -> None:
    value = {"S1": {"Walking": np.zeros((2, 2), ">f4"), "list": [1.5, None, "text", b"bytes", 1 + 2j]}}
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("value.npy", mutated(whole(value, protocol), changes))
    try:
        read_archive(tmp_path / "a.npz", "value")
    except InputError as error:
        check_sentence(error)


@given(data=st.binary(max_size=300))
@unhurried
def test_noise_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    write_object(tmp_path / "a.npz", data)
    try:
        read_archive(tmp_path / "a.npz", "value")
    except InputError as error:
        check_sentence(error)


@pytest.mark.parametrize("command", [["data", "describe"], ["data", "check"], ["run", "--data"]])
def test_at_the_command_line(command: list[str], root: Path, tmp_path: Path) -> None:
    (tmp_path / "data_2d_h36m_cpn_ft_h36m_dbb.npz").write_bytes(
        (root / "data_2d_h36m_cpn_ft_h36m_dbb.npz").read_bytes()
    )
    for attack in ("class made by name", "key too deep to hash", "memo of 32 GiB"):
        write_object(tmp_path / "data_3d_h36m.npz", ATTACKS[attack], "positions_3d")
        result = CliRunner().invoke(app, [*command, "human36m", "--data-root", str(tmp_path)])
        assert result.exit_code == 2, result.output
        assert "data_3d_h36m.npz" in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
