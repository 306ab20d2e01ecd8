"""Writing the field's files from original downloads: reading what other programs wrote, and whole new archives."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.results.files import atomic
from models.checkpoints.restricted_unpickler import one_line
from models.errors import InputError


def read_download(path: Path, read: Callable[[Path], Any]) -> Any:
    """What a foreign library reads in a file.

    Raises:
        InputError: the library is not installed, or it cannot read the file.
    """
    try:
        return read(path)
    except ImportError as error:
        package = str(error.name).split(".")[0]
        raise InputError(f"reading these files needs {package}: run `pip install {package}`") from error
    except Exception as error:  # foreign libraries, each with errors of its own
        raise InputError(f"{path} cannot be read ({one_line(error)}): download it again") from error


def archive(values: Mapping[str, Any]) -> bytes:
    """An ``.npz`` of 0-d object arrays, the same bytes for the same values.

    The pickles name NumPy's modules as NumPy 1 did, which NumPy 2 understands too.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as members:
        for key, value in values.items():
            member = zipfile.ZipInfo(f"{key}.npy")
            member.compress_type = zipfile.ZIP_DEFLATED
            box = np.empty((), dtype=object)
            box[()] = value
            with members.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(box))
                stream.write(pickle.dumps(box, protocol=3).replace(b"cnumpy._core.", b"cnumpy.core."))
    return packed.getvalue()


def write_new(contents: Mapping[Path, bytes], force: bool) -> dict[Path, bool]:
    """Write what is not there yet, each file as a whole; whether each file was new.

    Raises:
        InputError: a file of other content is in the way, and ``force`` is not given. Nothing is written then.
    """
    new = {path: not path.exists() or path.read_bytes() != content for path, content in contents.items()}
    for path, is_new in new.items():
        if is_new and path.exists() and not force:
            raise InputError(f"{path} exists with other content: use --force to replace it, or another --out")
    for path, is_new in new.items():
        if is_new:
            with atomic(path) as file:
                file.write(contents[path])
    return new
