from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.archive import read_archive
from models.errors import InputError

VALUE = {
    "S1": {"Walking 1": np.arange(12, dtype=np.float32).reshape(2, 2, 3), "list": [np.ones(3, ">f8"), None, True]},
    "meta": OrderedDict(names=("a", "b"), number=np.float32(2.5), count=np.int64(3), text="Wäsche"),
}


def write_object(path: Path, pickled: bytes, key: str = "value") -> Path:
    """An .npz whose only member is an object array with this pickle."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{key}.npy", header.getvalue() + pickled)
    return path


def boxed(value: Any) -> np.ndarray:
    box = np.empty((), dtype=object)
    box[()] = value
    return box


class Evil:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def assert_same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, np.ndarray):
        assert found.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("core", [b"numpy._core", b"numpy.core"])
def test_reads_every_pickle_protocol_of_numpy_1_and_2(tmp_path: Path, protocol: int, core: bytes) -> None:
    data = pickle.dumps(boxed(VALUE), protocol=protocol)
    if protocol < 4:  # newer protocols store the length of a name before it
        data = data.replace(b"numpy._core", core).replace(b"numpy.core", core)
    assert_same(read_archive(write_object(tmp_path / "a.npz", data), "value"), VALUE)


def test_reads_what_numpy_saves(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    plain = np.asfortranarray(np.arange(6).reshape(2, 3))
    np.savez_compressed(path, plain=plain, nested=boxed(VALUE))
    assert_same(read_archive(path, "nested"), VALUE)
    assert_same(read_archive(path, "plain"), plain)


@pytest.mark.parametrize("protocol", range(6))
def test_harmless_containers_and_keys_become_plain_ones(tmp_path: Path, protocol: int) -> None:
    inner = defaultdict(list, {np.str_("Walking 1"): [np.ones(3)], np.int16(7): 2})
    data = pickle.dumps(boxed(defaultdict(dict, {np.str_("S1"): inner})), protocol=protocol)
    found = read_archive(write_object(tmp_path / "a.npz", data), "value")
    assert_same(found, {"S1": {"Walking 1": [np.ones(3)], 7: 2}})
    assert [type(key) for key in found["S1"]] == [str, int]  # type: ignore[index]


def test_an_optional_key(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", value=np.zeros(3))
    assert read_archive(tmp_path / "a.npz", "metadata", optional=True) is None
    assert_same(read_archive(tmp_path / "a.npz", "value", optional=True), np.zeros(3))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\n<!DOCTYPE html><html>Google Drive - Quota exceeded", "is a web page"),
        (b"<HTML><body>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "pointer of Git LFS"),
        (b"\x93NUMPY\x01\x00v", r"a single array \(\.npy\)"),
        (b"PK\x03\x04", "cut short, damaged or not an"),
    ],
)
def test_a_foreign_file_is_called_what_it_is(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.npz .*{words}"):
        read_archive(path, "value")


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "folder", "missing"])
def test_names_that_no_file_has(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="does not exist|cannot be read"):
        read_archive(tmp_path / name, "value")


def test_fields_of_objects_do_not_slip_through_an_array(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    inner = boxed([Evil(os.mkdir, str(marker))])
    path = write_object(tmp_path / "a.npz", pickle.dumps(boxed({"S1": inner})))
    with pytest.raises(InputError, match="mkdir"):
        read_archive(path, "value")
    assert not marker.exists()


@pytest.mark.parametrize(
    "value",
    [
        Evil(os.system, "true"),
        Evil(eval, "1+1"),
        Evil(getattr, "text", "upper"),
        Evil(np.load, "file.npy"),
        Evil(pickle.loads, b"N."),
        Counter("ab"),
        Path("x"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_foreign_pickles_are_refused_unread(tmp_path: Path, value: Any, protocol: int) -> None:
    path = write_object(tmp_path / "evil.npz", pickle.dumps(value, protocol=protocol))
    with pytest.raises(InputError, match=r"evil\.npz, key 'value': its pickle asks for '.*not run"):
        read_archive(path, "value")


@pytest.mark.parametrize(
    "pickled",
    [
        b"cnumpy._core.multiarray\n_reconstruct\n}(S'__globals__'\nNtb.",  # alter an admitted function
        b"cnumpy\nload\n.",
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O8'\nI00\nI01\ntRS'12345678'\ntR.",  # forged pointer
        b"Pid\n.",
        b"\x80\x04\x95garbage",
        b"",
    ],
)
def test_forged_pickles_are_one_sentence(tmp_path: Path, pickled: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.npz.*value"):
        read_archive(write_object(tmp_path / "a.npz", pickled), "value")


def test_missing_file_and_key(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.npz does not exist"):
        read_archive(tmp_path / "none.npz", "value")
    path = tmp_path / "a.npz"
    np.savez(path, other=np.zeros(3), more=np.zeros(3))
    with pytest.raises(InputError, match=r"a\.npz has no key 'value' but more, other"):
        read_archive(path, "value")


def test_truncated_and_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, value=boxed({"S1": np.random.default_rng(0).random(1000)}))
    whole = path.read_bytes()
    for keep in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:keep])
        with pytest.raises(InputError, match=r"a\.npz is cut short, damaged or not"):
            read_archive(path, "value")
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(50) + whole[middle + 50 :])
    with pytest.raises(InputError, match=r"a\.npz"):
        read_archive(path, "value")
    path.write_text("not an archive")
    with pytest.raises(InputError, match=r"not an \.npz"):
        read_archive(path, "value")
