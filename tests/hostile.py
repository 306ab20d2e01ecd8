"""Input that attacks its reader, for the tests of all readers: pickles, archives, YAML, values, paths."""

from __future__ import annotations

import io
import pickle
import random
import resource
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import InputError

LONGEST = 2000
SPARE = 1 << 30  # bytes of address space that a test may take beyond what it has

ATTACKS = {
    "memo of 32 GiB": b"\x80\x03Nr\xff\xff\xff\x7f0\x88.",
    "memo by text": b"Np4000000000\n0I01\n.",
    "endless bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",
    "endless bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b".",
    "endless text": b"\x80\x04\x8d" + struct.pack("<Q", (1 << 63) - 1) + b".",
    "endless frame": b"\x80\x04\x95" + struct.pack("<Q", (1 << 63) - 1) + b"N.",
    "endless number": b"\x80\x03\x8b\xff\xff\xff\x7f\x01.",
    "number of a million digits": b"L" + b"7" * 1_000_000 + b"L\n.",
    "key too deep to hash": b"\x80\x03})" + b"\x85" * 200_000 + b"Ns.",
    "list too deep to show": b"\x80\x03" + b"]" * 200_000 + b"a" * 199_999 + b".",
    "colliding keys": b"\x80\x03}("
    + b"".join(b"\x8a\x10" + (i * ((1 << 61) - 1)).to_bytes(16, "little") + b"N" for i in range(50_000))
    + b"u.",
    "two million steps": b"\x80\x03" + b"N0" * 1_000_000 + b"N.",
    "class made by name": b"\x80\x03cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
    "old class": b"(S'true'\nios\nsystem\n.",
    "extension": b"\x80\x02\x82\x01.",
    "set of itself": b"\x80\x04\x8f\x94(h\x00\x90.",
    "endless bytearray by name": b"cbuiltins\nbytearray\n(I100000000000\ntR.",
    "bytes made again and again": b"\x80\x03B"
    + struct.pack("<I", 1 << 20)
    + bytes(1 << 20)
    + b"q\x000cbuiltins\nbytearray\nq\x010("
    + b"h\x01h\x00\x85R" * 20_000
    + b"t.",
    "nothing": b"",
    "only a stop": b".",
}

SCALARS = (
    "0", "-1", "1", "0x_", "0b_", "0o9", "1_000", "2001-99-99", "2001-01-01", "12:34:56", "1e400", "1.0e+308",
    ".inf", "-.INF", ".nan", "inf", "NaN", "9" * 30, "9" * 5000, "0x" + "f" * 300, "1:" * 60 + "1", "²", "٣",
    "true", "off", "null", "~", "=", "<<", "tcn", "tiny", "cpn", "all", "x" * 300, "日本語", "../..", "/dev/null",
    "''", '"\\0"', '"\\e[31m"', '"a\\nb"', '"\\ud800"', "!!int x", "!!float ''", "!!bool maybe", "!!binary '='",
    "!!set {a}", "!!omap [a]", "!!null x", "!!python/none", "!<x> y", "&a 1", "*a", "{}", "[]", "{a: b}", "[1, 2]",
    "[[1]]", "{1: 2}",
)  # fmt: skip
"""What may stand for a value in YAML or on a command line."""

JOINTS = (
    "\n",
    " ",
    ": ",
    ", ",
    "\n- ",
    "\n  ",
    " [",
    "]",
    " {",
    "}",
    "? ",
    " # ",
    "\n---\n",
    "|\n ",
    ">-\n ",
    "\t%",
)


def yaml_texts(seed: int, number: int, parts: int = 8) -> Iterator[str]:
    """Texts put together at random from what YAML gives a meaning; half of them are one value alone."""
    choose = random.Random(seed)
    for _ in range(number):
        text = choose.choice(SCALARS)
        for _ in range(choose.choice((0, choose.randint(1, parts)))):
            text += choose.choice(JOINTS) + choose.choice(SCALARS)
        yield text


def path_names(seed: int, number: int, folder: Path) -> Iterator[str]:
    """Paths in and around a folder that holds ``a file``: missing, too long, of other kinds, of odd letters."""
    choose = random.Random(seed)
    names = (
        "x", "a file", "..", ".", "~", "n" * 255, "n" * 256, "é" * 128, "日" * 90, "a b", "'", '"', "$(true)",
        "%41", "?", "#", "*", "-", "--out", "\n", "\x1b[31m", "\udcff", "\u202e", "con", "mlflow.db", "x.yaml",
    )  # fmt: skip
    starts = (str(folder), str(folder / "a file"), "/dev/null", "/proc", "/proc/self/fd", "", str(folder) + "//")
    for _ in range(number):
        more = [choose.choice(names) for _ in range(choose.randint(0, 3))]
        yield "/".join([choose.choice(starts), *more])


@contextmanager
def little_memory() -> Iterator[None]:
    """Fail instead of taking the machine's memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + SPARE, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def check_sentence(error: InputError) -> None:
    """One that can be shown, and not about memory that the reader tried to take."""
    assert str(error).isprintable()
    assert len(str(error)) <= LONGEST
    assert "MemoryError" not in str(error)


def rezipped(source: Path, target: Path, member: str, content: bytes) -> Path:
    """A copy of an archive in which a member (by the end of its name) has other content, all checksums right."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name.endswith(member) else old.read(name))
    return target


def bombs(folder: Path, member: str) -> Iterator[Path]:
    """Archives whose member unpacks, or claims to unpack, to far more than it is worth."""
    for name, method, size in (
        ("deflate", zipfile.ZIP_DEFLATED, 100 << 20),
        ("bzip2", zipfile.ZIP_BZIP2, 1 << 20),
        ("lzma", zipfile.ZIP_LZMA, 1 << 20),
    ):
        path = folder / f"{name}.npz"
        with zipfile.ZipFile(path, "w", method) as archive, archive.open(member, "w") as stream:
            for _ in range(size >> 20):
                stream.write(bytes(1 << 20))
        yield path
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(member, pickle.dumps(None))
    data = bytearray(packed.getvalue())
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", (1 << 32) - 2)  # uncompressed size in the directory
    path = folder / "lying.npz"
    path.write_bytes(data)
    yield path
