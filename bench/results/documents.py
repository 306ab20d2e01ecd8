"""Sealed files: they say which schema they follow and what their content must hash to.

A document is one JSON object: ``{"schema":1,"sha256":"…","document":{…}}``; the checksum is of the number of the
schema and the text of the document. Files that are no text have the seal as a first line before their content.
Files without a seal are of older versions of the suite and are read all the same.

What cannot be read counts as absent, so that it is made again; the file itself is moved to the folder
``unreadable`` of its store and named, so that nothing is lost without a word.
"""

from __future__ import annotations

import functools
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError
from tqdm import tqdm

from bench.results.files import atomic, read_bytes, sha256

UNREADABLE = "unreadable"
"""Folder of a store for what could not be read."""

BINARY_SCHEMA = 1

Document = TypeVar("Document", bound=BaseModel)

_SEAL = re.compile(rb'\{"schema":(\d{1,6}),"sha256":"([0-9a-f]{64})","document":')
_BINARY_SEAL = re.compile(rb"lifting-bench schema=(\d{1,6}) sha256=([0-9a-f]{64})\n")
_MARKS, _BINARY_MARKS = (b'"sha256"', b'"document"'), (b"lifting-bench", b"sha256=")
"""Marks of a seal, of text and of binary files: the head of a file with a damaged seal still shows one of them."""

_HEAD = 120
"""Bytes that hold a seal."""


_IN_PLACE = ContextVar("in place", default=False)
"""Whether what cannot be read stays where it is."""


class UnreadableError(Exception):
    """A file's content is not what was written, or another version of the suite wrote it; says why."""


def seal(document: BaseModel) -> str:
    """A document as the text of a sealed file."""
    body, schema = document.model_dump_json(), _schema(type(document))
    return f'{{"schema":{schema},"sha256":"{_checksum(schema, body.encode())}","document":{body}}}\n'


def unseal(content: bytes, model: type[Document]) -> Document:
    """The document in a sealed file, or in one of an older version without a seal.

    Raises:
        UnreadableError: the content is damaged, or of a schema that this version does not know.
    """
    match = _SEAL.match(content)
    if match is None:
        if any(mark in content[:_HEAD] for mark in _MARKS):
            raise UnreadableError("its seal is damaged")
        body = content
    else:
        body = content[match.end() :].removesuffix(b"\n").removesuffix(b"}")
        _check(match, body, _schema(model))
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, problem["loc"])) or "it"
        raise UnreadableError(f"{place[:80]}: {problem['msg'][:120]}") from None


def write_document(path: Path, document: BaseModel) -> None:
    """Write a sealed document, whole or not at all."""
    with atomic(path) as file:
        file.write(seal(document).encode())


def read_document(path: Path, model: type[Document], root: Path) -> Document | None:
    """A document in the store at ``root``; None where there is none that can be read: its file is moved aside.

    Raises:
        InputError: the file may not be read, or the disk fails.
    """
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        return None
    try:
        return unseal(content, model)
    except UnreadableError as error:
        set_aside(path, root, str(error), content)
        return None


def write_sealed(path: Path, content: bytes | memoryview) -> None:
    """Write a file that is no text with its seal, whole or not at all."""
    with atomic(path) as file:
        file.write(f"lifting-bench schema={BINARY_SCHEMA} sha256={_checksum(BINARY_SCHEMA, content)}\n".encode())
        file.write(content)


def read_sealed(path: Path) -> memoryview:
    """The content that ``write_sealed`` wrote; of a file of an older version without a seal, all of it.

    Raises:
        FileNotFoundError: there is no such file.
        UnreadableError: the content is damaged, or of a schema that this version does not know.
        InputError: the file may not be read, or the disk fails.
    """
    content = read_bytes(path)
    match = _BINARY_SEAL.match(content)
    if match is None:
        if any(mark in content[:_HEAD] for mark in _BINARY_MARKS):
            raise UnreadableError("its seal is damaged")
        return memoryview(content)
    body = memoryview(content)[match.end() :]
    _check(match, body, BINARY_SCHEMA)
    return body


def set_aside(path: Path, root: Path, reason: str, content: bytes | None = None) -> None:
    """Move a file that cannot be read to the folder ``unreadable`` of the store at ``root``, and say so.

    If it has another ``content`` by now than was read, another program has made it again, and it stays.
    """
    if _IN_PLACE.get():
        _say_once(f"{path}: cannot be read ({reason}) and counts as absent; it stays there")
        return
    target = _place_aside(path, root)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
    except FileNotFoundError:
        return
    except OSError as error:  # a store that may only be read
        _say_once(f"{path}: cannot be read ({reason}) and counts as absent; it stays there ({error.strerror})")
        return
    if content is not None and target.read_bytes() != content:
        with suppress(OSError):
            os.replace(target, path)
        return
    _say_once(f"{path}: cannot be read ({reason}); it counts as absent and was moved to {target}")


@contextmanager
def in_place(read_only: bool = True) -> Iterator[None]:
    """What cannot be read counts as absent, too, but is not moved: for dry runs, and commands that only say."""
    before = _IN_PLACE.set(read_only)
    try:
        yield
    finally:
        _IN_PLACE.reset(before)


def keep_copy(path: Path, root: Path) -> None:
    """Keep a copy of a damaged file, before it is replaced, in the store's folder ``unreadable``."""
    with atomic(_place_aside(path, root)) as file:
        file.write(read_bytes(path))


def _place_aside(path: Path, root: Path) -> Path:
    name = f"{path.parent.name}-{path.name}"[-180:]
    return root / UNREADABLE / f"{name}.{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(2)}"


class Shelf(Generic[Document]):
    """A folder of small sealed documents by id, one file each."""

    def __init__(self, folder: Path, model: type[Document]) -> None:
        self.folder, self.model = folder, model

    def __contains__(self, name: str) -> bool:
        """Whether there is a document that can be read."""
        return self.get(name) is not None

    def ids(self) -> set[str]:
        """Ids of all documents that can be read."""
        return {name for name, _ in self.each()}

    def all(self) -> dict[str, Document]:
        """All documents that can be read, by id, in the order of their ids."""
        return dict(self.each())

    def each(self) -> Iterator[tuple[str, Document]]:
        """The same one by one: a record takes four times as much memory as its file takes on the disk."""
        try:
            files = [entry.name for entry in os.scandir(self.folder)]
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in sorted(file[:-5] for file in files if file.endswith(".json") and not file.startswith(".")):
            if (document := self.get(name)) is not None:
                yield name, document

    def get(self, name: str) -> Document | None:
        """The document; None where there is none that can be read."""
        return read_document(self.path(name), self.model, self.folder.parent)

    def put(self, name: str, document: Document) -> None:
        """Keep a document in the place of an older one."""
        write_document(self.path(name), document)

    def remove(self, name: str) -> None:
        """Remove a document, if there is one."""
        self.path(name).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """File of a document."""
        return self.folder / f"{name}.json"


def _schema(model: type[BaseModel]) -> int:
    """Number of the schema that this version writes; models count theirs in ``SCHEMA``."""
    return getattr(model, "SCHEMA", 1)


def _checksum(schema: int, content: bytes | memoryview) -> str:
    return sha256(f"{schema} ".encode(), content)


def _check(match: re.Match[bytes], body: bytes | memoryview, newest: int) -> None:
    """Compare a content with its seal."""
    schema, expected = int(match[1]), match[2].decode()
    if _checksum(schema, body) != expected:
        raise UnreadableError("its content does not have its checksum")
    if schema > newest:
        raise UnreadableError(
            f"a newer version of lifting-bench wrote it: schema {schema}, this version reads up to {newest}"
        )


@functools.cache
def _say_once(sentence: str) -> None:
    tqdm.write(f"warning: {sentence}", file=sys.stderr)
