"""The index and MLflow hold the same records: what one of them has lost, the other gives back."""

from __future__ import annotations

from collections.abc import Container

from bench.results.store import Store
from bench.results.tracking.connection import say
from bench.results.tracking.tracker import Logged, Tracker
from models.errors import InputError

MOST_NAMED = 5
"""Most unreadable records that are named one by one."""


def rebuild_index(store: Store) -> str:
    """Make the index again from MLflow and from what can be read of the old one, and log what MLflow lacks.

    Nothing is removed before everything is read.

    Returns:
        What was found, in a sentence.

    Raises:
        InputError: there is no store, MLflow cannot be reached, or fewer records would remain than there were.
    """
    if not store.root.is_dir():
        raise InputError(f"--store {store.root}: there is no such store, so there is no index to make again")
    tracker = Tracker(store.root)
    logged = tracker.records()
    warn_of_unreadable(tracker, logged)
    store.rebuild(logged.records, logged.unreadable)
    log_again(tracker, store, {record.id for record in logged.records})
    count = len(store.finished())
    return f"index made again: {count} records, {len(logged.records)} of them from {tracker.service.shown}"


def log_again(tracker: Tracker, store: Store, known: Container[str] = ()) -> None:
    """Log the records of the index that MLflow lacks, and say so.

    Args:
        store: which has the index; its records then name their new runs.
        known: ids of records that need not be logged.

    Raises:
        InputError: MLflow cannot be reached or written.
    """
    records = store.records()
    lacking = [record for name, record in records.items() if name not in known]
    if lacking:
        of = f"{len(lacking)} of the {len(records)} records of {store.index}"
        say(f"{tracker.service.shown} lacks {of}: they are logged again")
        for record in lacking:
            with store.lock("log"):
                store.add(tracker.log(record, store.files.of(record.id)))
        store.fold()
    if tracker.is_new:
        tracker.end_new()


def warn_of_unreadable(tracker: Tracker, logged: Logged) -> None:
    """Say which finished runs of MLflow have no record that can be read; they count as absent."""
    for name, reason in list(logged.unreadable.items())[:MOST_NAMED]:
        say(f"warning: {tracker.service.shown}: {name}: {reason}")
    if (more := len(logged.unreadable) - MOST_NAMED) > 0:
        say(f"warning: {tracker.service.shown}: {more} more runs cannot be read")
