"""A reader of torch files of unknown origin that runs nothing in them.

It reads tensors and plain containers. Everything else that a file names (a random state, an optimiser, a scripted
module) becomes an inert ``Placeholder``: nothing is imported, and no function that the file names is called.
``torch.load(weights_only=True)`` would refuse such a file as a whole, and the published ones are of this kind.
"""

from __future__ import annotations

import math
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from models.checkpoints.restricted_unpickler import PlainUnpickler, check_archive, one_line
from models.errors import InputError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # the number that a torch file in the format before 1.6 begins with

DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class Placeholder:
    """Takes the place of something that is neither a tensor nor a plain container, and does nothing.

    ``state`` is what the file sets it to.
    """

    state: Any = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Placeholder:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def append(self, item: Any) -> None: ...
    def extend(self, items: Any) -> None: ...


def read_torch_file(path: Path) -> Any:
    """The content of a ``.bin``, ``.pth`` or ``.pt`` file, tensors on the CPU.

    Raises:
        InputError: there is no such file, or it is not a torch file; what it is instead is said where it is known.
    """
    _refuse_other_files(path)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                check_archive(archive)
                return _read_zip(archive)
        with path.open("rb") as stream:
            begin = stream.read(2)
            if begin == b"PK":
                raise InputError(f"{path} is cut short: get it again")
            if begin[:1] != pickle.PROTO:
                raise InputError(f"{path} is no torch file: give a .bin, .pth or .pt file that torch wrote")
            stream.seek(0)
            return _read_legacy(stream, path.stat().st_size)
    except InputError:
        raise
    except Exception as error:  # a damaged file can raise almost anything
        told = "an unknown step" if isinstance(error, KeyError) else one_line(error)
        reason = f"cannot be read as a torch checkpoint ({told})"
        raise InputError(f"{path} {reason}: get it again") from error


def _refuse_other_files(path: Path) -> None:
    """``InputError`` for what is no file, or one of another kind that is often given by mistake."""
    try:
        with path.open("rb") as file:
            begin = file.read(512)
    except IsADirectoryError:
        raise InputError(f"{path} is a folder: give the path of a checkpoint in it") from None
    except (FileNotFoundError, NotADirectoryError, ValueError):  # NUL in its name
        raise InputError(f"there is no file {path}: give the path of a checkpoint") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): correct its name or permissions") from None
    text = begin.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html")):
        raise InputError(f"{path} is a web page, no checkpoint: the download was refused, get it in a browser")
    if text.startswith(b"version https://git-lfs"):
        raise InputError(f"{path} is a pointer of Git LFS, not the checkpoint itself: run `git lfs pull`")
    if begin[8:9] == b"{" and int.from_bytes(begin[:8], "little") < path.stat().st_size:
        raise InputError(
            f"{path} is a safetensors file: if import-checkpoint made it, give it to `run` as training.weights; "
            "else save its tensors with torch.save"
        )
    if begin.startswith((b"\x1f\x8b", b"7z", b"Rar!")) or begin[257:262] == b"ustar":
        raise InputError(f"{path} is a packed archive: unpack it and give the checkpoint that is in it")


def _read_zip(archive: zipfile.ZipFile) -> Any:
    """Read torch's format since 1.6: an archive of one pickle, and one member for each storage."""
    pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
    if len(pickles) != 1:
        raise InputError(
            f"{archive.filename} is a zip archive, but not torch's: unpack it if a checkpoint is in it"
        )
    (pickled,) = pickles
    root = pickled.removesuffix("data.pkl")
    if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
        raise InputError(f"{archive.filename} was written on a big-endian machine: save it again on a usual one")

    def fill(key: str, size: int) -> Tensor:
        member = archive.getinfo(f"{root}data/{key}")
        if member.file_size != size:
            raise ValueError(f"storage {key} has {member.file_size:,} bytes and should have {size:,}")
        return torch.frombuffer(bytearray(archive.read(member)), dtype=torch.uint8)

    with archive.open(pickled) as stream:
        return _Unpickler(stream, sum(member.file_size for member in archive.infolist()), fill).load()


def _read_legacy(stream: BinaryIO, size: int) -> Any:
    """Read torch's format before 1.6: pickles of a header and the content, then the storages in a row."""

    def unpickler() -> _Unpickler:  # storages are filled later
        return _Unpickler(stream, size - stream.tell(), lambda key, size: torch.zeros(size, dtype=torch.uint8))

    if unpickler().load() != LEGACY_MAGIC:
        raise InputError(f"{stream.name} is no torch checkpoint: give a .bin, .pth or .pt file that torch wrote")
    for _ in ("protocol version", "system"):
        unpickler().load()
    main = unpickler()
    content = main.load()
    for key in unpickler().load():
        storage = main.storages[key]
        stream.read(8)
        storage.view(torch.uint8).copy_(
            torch.frombuffer(bytearray(stream.read(storage.nbytes)), dtype=torch.uint8)
        )
    return content


class _Unpickler(PlainUnpickler):
    inert = Placeholder

    def __init__(self, stream: Any, size: int, fill: Callable[[str, int], Tensor]) -> None:
        super().__init__(stream, size, encoding="utf-8")
        self._fill = fill
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module in ("torch", "torch.storage") and name in DTYPES:
            return DTYPES[name]
        return _ACCEPTED.get((module, name), Placeholder)

    def build(self, target: Any, state: Any) -> None:
        """Give a placeholder its state; the attributes of a state dict are ignored."""
        if isinstance(target, Placeholder):
            target.state = state
        elif not isinstance(target, dict):
            super().build(target, state)

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key, _, count = pid[:5]
        known = kind == "storage" and isinstance(dtype, torch.dtype)
        if not known or type(key) is not str or type(count) is not int:
            raise pickle.UnpicklingError("it has an unknown kind of storage")
        if key not in self.storages:
            self.charge(count * dtype.itemsize)
            self.storages[key] = self._fill(key, count * dtype.itemsize).view(dtype)
        return self.storages[key]


def _rebuild_tensor(
    storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> Tensor:
    if math.prod(size) > storage.numel():
        raise pickle.UnpicklingError("it has a tensor that is larger than its storage")
    return torch.as_strided(storage, size, stride, offset)


def _rebuild_parameter(data: Tensor, *_: Any) -> Tensor:
    return data


# What a file may name: each stands for a function written here, or a harmless class.
_ACCEPTED = {
    ("collections", "OrderedDict"): lambda *items: {},
    ("torch", "Size"): torch.Size,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}
