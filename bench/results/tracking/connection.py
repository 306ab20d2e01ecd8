"""Reaching a database or a server: one quick look, then patience with an end, then one sentence."""

from __future__ import annotations

import functools
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tqdm import tqdm

from bench.results.tracking.addresses import (
    is_database,
    is_server,
    network_file_system,
    sqlite_path,
    without_password,
)
from models.errors import InputError

LOOK_SECONDS = 5
"""Most seconds that a server may take to show that it is there."""

OPENING_SECONDS = 30.0
"""Most seconds that a server is waited for before anything is computed."""

PATIENCE_SECONDS = 120.0
"""Most seconds that a server is waited for that was there before: what was computed waits to be kept."""

WAITS_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between tries; the last number repeats."""

MOST_CHARACTERS = 300
"""Most characters of a reason that is printed."""

DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""Module of a database's driver → the package that brings it, where the names differ."""

REFUSALS = (
    "out-of-date database schema",
    "no longer compatible with the table schema",
    "file is not a database",
    "is malformed",
    "readonly database",
)
"""What MLflow, Optuna and SQLite say where waiting does not help."""

Result = TypeVar("Result")

_BOUNDS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "PGCONNECT_TIMEOUT": "10",
}
"""Bounds of MLflow's own patience and of PostgreSQL's driver, unless the user has set them: this module waits."""


@dataclass(frozen=True)
class Service:
    """A database or a server that keeps something of the suite's.

    Attributes:
        name: what it is to the user: "MLflow store".
        setting: which environment variable names another one.
    """

    name: str
    address: str
    setting: str

    @property
    def shown(self) -> str:
        """Name and address, without a password."""
        return f"{self.name} {without_password(self.address)}"

    def open(self, action: Callable[[], Result]) -> Result:
        """Do what opens it, after a quick look; it is waited for a little only.

        Raises:
            InputError: it refuses, or is still not there after ``OPENING_SECONDS``.
        """
        return self._patiently(action, OPENING_SECONDS, opening=True)

    def patiently(self, action: Callable[[], Result]) -> Result:
        """Try again for a while where a network, a database or a disk fails, and say what is waited for.

        Args:
            action: may have been done in part when it fails.

        Raises:
            InputError: it refuses, or fails for ``PATIENCE_SECONDS``.
        """
        return self._patiently(action, PATIENCE_SECONDS, opening=False)

    def try_once(self, action: Callable[[], Result]) -> Result:
        """Do what looks at it, after a quick look, without waiting.

        Raises:
            InputError: it is not there, or refuses.
        """
        return self._patiently(action, None, opening=True)

    def _patiently(self, action: Callable[[], Result], bound: float | None, opening: bool) -> Result:
        began, tries = time.monotonic(), 0
        if opening:
            bound_patience()
        while True:
            try:
                if opening or tries:
                    look(self.address)
                return action()
            except ImportError as error:
                raise InputError(f"{self.shown}: {_missing(error)}") from error
            except _failures() as error:
                waited, reason = time.monotonic() - began, reason_of(error)
                if bound is None or _is_refusal(error):
                    raise InputError(f"{self.shown}: {reason}; check it and {self.setting}") from error
                if waited >= bound:
                    raise InputError(
                        f"{self.shown}: {reason}; given up after {waited:.0f} s: check the disk "
                        f"and {self.setting}, then run the same command again: what is finished is kept and "
                        "logged then"
                    ) from error
                say(f"waiting for {self.shown} ({waited:.0f} s, gives up after {bound:.0f} s): {reason}")
                time.sleep(min(WAITS_SECONDS[min(tries, len(WAITS_SECONDS) - 1)], bound - waited))
                tries += 1


def bound_patience() -> None:
    """Bound how long MLflow and database drivers try alone, in this process; what the user has set stays."""
    for name, value in _BOUNDS.items():
        os.environ.setdefault(name, value)


def say(line: str) -> None:
    """Print a line to the standard error, beside progress bars."""
    tqdm.write(line, file=sys.stderr)


@functools.cache
def warn_of_network(service: Service) -> None:
    """Say so, once, where a SQLite file lies on a network file system: its locks are not reliable there."""
    if (kind := network_kind(service.address)) is not None:
        say(
            f"warning: {service.shown} is a SQLite file on a network file system ({kind}), whose locks may fail "
            f"when programs on several machines write at once; name a server or PostgreSQL by {service.setting}"
        )


def network_kind(address: str) -> str | None:
    """Kind of the network file system that a SQLite file lies on; None for everything else."""
    path = sqlite_path(address) if is_database(address) else None
    return network_file_system(path) if path is not None else None


def look(address: str) -> None:
    """See whether a server or a database is there, in a few seconds and without making anything.

    Raises:
        OSError, sqlalchemy.exc.SQLAlchemyError, sqlite3.Error: it is not.
        ImportError: the driver of the database is not installed.
    """
    if is_server(address):
        _look_at_server(address)
    elif is_database(address):
        _look_at_database(address)


def _look_at_server(address: str) -> None:
    import http.client
    import ssl
    import urllib.error
    import urllib.parse
    import urllib.request

    parts = urllib.parse.urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    if not host:
        raise RefusedError("the address names no host")
    place = f"{parts.scheme}://{host}{parts.path.rstrip('/')}/health"
    try:
        urllib.request.urlopen(urllib.request.Request(place), timeout=LOOK_SECONDS).close()
    except http.client.InvalidURL as error:
        raise RefusedError(str(error)) from None
    except urllib.error.HTTPError as error:
        if error.code in (502, 503, 504):  # of a proxy before a server that is away
            raise
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ssl.SSLError):  # whom to trust is MLflow's to decide
            raise OSError(str(error.reason)) from None
    except http.client.HTTPException as error:
        raise OSError(f"no answer of a web server ({type(error).__name__})") from None


def _look_at_database(address: str) -> None:
    import sqlalchemy

    path = sqlite_path(address)
    if path is None:
        engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
        with engine.connect():
            return
    if path.is_dir():
        raise RefusedError(f"{path} is a folder, not a database")
    if path.exists():
        with path.open("rb") as file:  # the driver would only say "unable to open database file"
            if file.read(16) not in (b"", b"SQLite format 3\0"):
                raise RefusedError(f"{path}: file is not a database")


def reason_of(error: Exception) -> str:
    """The first line of what is wrong, of bounded length and without a password."""
    if type(error).__name__ == "StorageInternalError" and isinstance(error.__cause__, Exception):
        error = error.__cause__  # Optuna's own words name no cause
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    told = [line for line in lines if not line.startswith("(raised as a result of")]  # what SQLAlchemy says first
    text = without_password((told or lines)[0])
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


def _missing(error: ImportError) -> str:
    name = error.name or (error.__cause__.name if isinstance(error.__cause__, ImportError) else None)
    if name is None:
        return reason_of(error)
    package = DRIVERS.get(name.partition(".")[0], name.partition(".")[0])
    return f"{name} is not installed, which it needs: pip install '{package}'"


class RefusedError(OSError):
    """An address at which nothing can ever be."""


def _failures() -> tuple[type[Exception], ...]:
    """Errors of networks, databases and disks; what is not imported has not raised any."""
    named = [
        ("mlflow.exceptions", "MlflowException"),
        ("optuna.exceptions", "StorageInternalError"),
        ("sqlalchemy.exc", "SQLAlchemyError"),
    ]
    imported = [getattr(sys.modules[module], name) for module, name in named if module in sys.modules]
    return (OSError, sqlite3.Error, *imported)


def _is_refusal(error: Exception) -> bool:
    """Whether trying again cannot help: an address, a schema or a file that is not accepted."""
    return (
        any(words in str(error) for words in REFUSALS)
        or isinstance(error, RefusedError | IsADirectoryError | PermissionError)
        or any(kind.__name__ in ("ArgumentError", "InvalidUrlException") for kind in type(error).__mro__)
        or getattr(error, "error_code", None) == "INVALID_PARAMETER_VALUE"
    )
