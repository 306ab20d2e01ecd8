"""Where MLflow's store is: by default a database and a folder of artifacts in the store, which move with it."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from bench.results.tracking.addresses import folder_of, sqlite_address
from bench.results.tracking.connection import Service

EXPERIMENT_NAME = "lifting-bench"

LOCKED_SECONDS = 20.0
"""Most seconds that SQLite waits for a lock of its file in one try."""


_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Settings of MLflow, unless the user has made them: nothing is sent, and nothing but results is printed."""


def tracking_service(folder: Path) -> Service:
    """MLflow's store at ``MLFLOW_TRACKING_URI``, or as a SQLite file in ``folder``."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # what it says is said here
    given = os.environ.get("MLFLOW_TRACKING_URI")
    return Service("MLflow store", given or sqlite_address(folder / "mlflow.db"), "MLFLOW_TRACKING_URI")


def make_database(path: Path) -> None:
    """Make a SQLite file with MLflow's tables, if there is none yet.

    It is made under another name first, so that an interruption leaves no half-made database.
    """
    import mlflow

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if path.exists():
            return
        unfinished = path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(0o666)  # with the mode of the umask; SQLite itself lets only the owner write
        mlflow.MlflowClient(sqlite_address(unfinished)).get_experiment_by_name(EXPERIMENT_NAME)
        os.replace(unfinished, path)
        remove_misread_folder(path)


def remove_misread_folder(path: Path) -> None:
    """Remove the empty folder that MLflow makes where the path of its database is escaped in the address."""
    misread = Path(sqlite_address(path).removeprefix("sqlite:///")).parent
    if misread != path.absolute().parent:
        with contextlib.suppress(OSError):
            os.removedirs(misread)


def follow_store(database: Path, artifacts: Path) -> None:
    """Let a database name the folder of artifacts beside it, after the store was moved or copied.

    MLflow keeps absolute places. Artifacts that only the old place has are copied: an older version of the suite
    wrote there after a move.

    Raises:
        sqlite3.Error: the database cannot be read or written.
    """
    place = artifacts.absolute().as_uri()
    with contextlib.closing(sqlite3.connect(database, timeout=LOCKED_SECONDS, isolation_level=None)) as connection:
        old = _location(connection)
        if old is None or old == place or _same_folder(old, artifacts):
            return
        with FileLock(database.with_suffix(".lock")):
            connection.execute("BEGIN IMMEDIATE")
            inside = (len(old) + 1, f"{old}/")
            wanted = "SELECT run_uuid FROM runs WHERE substr(artifact_uri, 1, ?) = ?"
            _copy_missing(old, artifacts, [run for (run,) in connection.execute(wanted, inside)])
            connection.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) WHERE substr(artifact_uri, 1, ?) = ?",
                (place, len(old) + 1, *inside),
            )
            connection.execute(
                "UPDATE experiments SET artifact_location = ? WHERE name = ?", (place, EXPERIMENT_NAME)
            )
            connection.execute("COMMIT")


def active_runs(database: Path, tags: Mapping[str, str]) -> set[str]:
    """Ids of the runs with these tags that are not deleted.

    Raises:
        sqlite3.Error: the database cannot be read.
    """
    having = " AND run_uuid IN (SELECT run_uuid FROM tags WHERE key = ? AND value = ?)" * len(tags)
    wanted = f"SELECT run_uuid FROM runs WHERE lifecycle_stage = 'active'{having}"
    with contextlib.closing(sqlite3.connect(database, timeout=LOCKED_SECONDS)) as connection:
        return {run for (run,) in connection.execute(wanted, [text for tag in tags.items() for text in tag])}


def _location(connection: sqlite3.Connection) -> str | None:
    """Where the experiment's artifacts lie; None where there is no experiment."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
        return None
    wanted = "SELECT artifact_location FROM experiments WHERE name = ?"
    found = connection.execute(wanted, (EXPERIMENT_NAME,)).fetchone()
    return None if found is None else str(found[0]).rstrip("/")


def _same_folder(uri: str, folder: Path) -> bool:
    """Whether a location is this folder under another name: a link, or another place where it is mounted."""
    other = folder_of(uri)
    try:
        return other is not None and other.samefile(folder)
    except OSError:
        return False


def _copy_missing(old: str, artifacts: Path, runs: list[str]) -> None:
    before = folder_of(old)
    for run in runs if before is not None else []:
        source, target = Path(str(before), run), artifacts / run
        if source.is_dir() and not target.exists():
            unfinished = artifacts / f".{run}"  # a kill in the middle of a copy leaves only this
            shutil.copytree(source, unfinished, dirs_exist_ok=True)
            unfinished.rename(target)
