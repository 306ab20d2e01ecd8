"""A fault at the n-th file operation of a process: it is killed there, or the operation fails.

After SQLite's tests (https://www.sqlite.org/testing.html, sections 3.2 and 3.3), which go through all n. What is
counted are operations below some folders: opening, renaming, removing, making folders, listing them, flushing to
the disk, and the commits of MLflow's database. What SQLite writes between two commits is SQLite's own business.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import sqlite3
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

KINDS = ("kill", "torn", "full", "broken")
"""What happens at the operation.

kill: the process is killed before it. (Nothing changes on the disk between two operations, so a kill after one
is a kill before the next.) torn: the process is killed in the middle of writing the file that is opened here.
full: it fails with ENOSPC, as every later one that needs room; a flush fails after half of the content. broken: it
fails once with EIO.
"""

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
PATHS = {
    "os.rename": "rename",
    "os.remove": "remove",
    "os.mkdir": "mkdir",
    "os.rmdir": "rmdir",
    "os.truncate": "truncate",
    "os.link": "link",
    "os.chmod": "chmod",
    "os.listdir": "list",
    "os.scandir": "list",
    "sqlite3.connect": "connect",
}
"""Audit events (https://docs.python.org/3/library/audit_events.html) → what the operation is called here."""

READS = ("open to read", "list", "connect")
"""A kill before one of them leaves the same files as a kill before the next operation."""

NEEDS_ROOM = ("open to write", "mkdir", "fsync", "commit", "link")


@dataclass(frozen=True)
class Operation:
    """What is about to be done to a file.

    Attributes:
        name: "open to write", "rename", …
        path: of the file, below one of the watched folders; of a rename, the new name.
    """

    name: str
    path: str

    @property
    def label(self) -> str:
        """Without ids and random parts: "rename records/ID.json"."""
        path = re.sub(r"(?<![0-9a-z])[0-9a-f]{16,64}(\+[0-9a-f]{16})*(?![0-9a-z])", "ID", self.path)
        path = re.sub(r"(^|/)(\..+)\.[\w-]{8}$", r"\1\2.RANDOM", path)
        path = re.sub(r"^(\.[a-z]+)-[\w-]{8}(?=/|$)", r"\1-RANDOM", path)
        return f"{self.name} {path}"

    def can(self, kind: str) -> bool:
        """Whether this kind of fault makes a difference here."""
        if kind == "torn":
            return self.name == "open to write" and not self.path.endswith((".lock", ".db"))
        if kind == "full":
            return self.name in NEEDS_ROOM
        return kind == "broken" or self.name not in READS


@dataclass(frozen=True)
class Fault:
    """At which operation something happens, counted from 0, and what."""

    number: int
    kind: str


class Watch:
    """Counts the operations of this process below some folders, and makes one of them go wrong.

    There is no way to take it off again: it is for a process that ends soon.
    """

    def __init__(self, folders: list[Path], fault: Fault | None, log: Path) -> None:
        self.folders = [f"{folder}/" for folder in folders]
        self.fault, self.number, self.inside, self.struck = fault, 0, False, False
        self.appends = False
        self.log = log.open("w", buffering=1)
        self._wrap_fsync()
        self._watch_commits()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            flags = arguments[2]
            name = "open to write" if isinstance(flags, int) and flags & WRITES else "open to read"
            self.appends = isinstance(flags, int) and bool(flags & os.O_APPEND)
        elif event in PATHS:
            name = PATHS[event]
        else:
            return
        self._meet(name, arguments[1] if event in ("os.rename", "os.link") else arguments[0])

    def _meet(self, name: str, place: object, descriptor: int | None = None) -> None:
        """One operation is about to be done; those of threads that give signs of life come when they like."""
        if self.inside or threading.current_thread().daemon or not isinstance(place, str | bytes | os.PathLike):
            return
        path = os.path.abspath(os.fsdecode(place))
        below = next((path[len(folder) :] for folder in self.folders if path.startswith(folder)), None)
        if below is None or (name == "mkdir" and os.path.isdir(path)):
            return
        self.inside = True
        try:
            operation = Operation(name, below)
            self.log.write(f"{operation.name}\t{operation.path}\n")
            self._strike(operation, path, descriptor)
        finally:
            self.number += 1
            self.inside = False

    def _strike(self, operation: Operation, path: str, descriptor: int | None) -> None:
        if self.fault is None:
            return
        kind, here = self.fault.kind, self.number == self.fault.number
        self.struck |= here
        if here and (kind == "kill" or (kind == "torn" and operation.can(kind))):
            if kind == "torn":
                with Path(path).open("ab" if self.appends else "wb") as file:
                    file.write(b'{"half of a fi')
            os.kill(os.getpid(), signal.SIGKILL)
        if here and kind == "broken":
            raise _error(errno.EIO, operation, path)
        if self.struck and kind == "full" and operation.name in NEEDS_ROOM:
            if here and descriptor is not None:
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            raise _error(errno.ENOSPC, operation, path)

    def _wrap_fsync(self) -> None:
        real = os.fsync

        def fsync(descriptor: int) -> None:
            number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
            self._meet("fsync", os.readlink(f"/proc/self/fd/{number}"), number)
            real(descriptor)

        os.fsync = fsync

    def _watch_commits(self) -> None:
        @event.listens_for(Engine, "commit")
        def before_commit(connection):
            self._meet("commit", connection.engine.url.database)


def _error(number: int, operation: Operation, path: str) -> Exception:
    if operation.name == "connect":
        return sqlite3.OperationalError("unable to open database file")
    if operation.name == "commit":
        said = "database or disk is full" if number == errno.ENOSPC else "disk I/O error"
        return DBAPIError.instance("COMMIT", None, sqlite3.OperationalError(said), sqlite3.Error)
    return OSError(number, os.strerror(number), path)
