"""Following trainings while they go on, wherever they do: their journals are sent to MLflow every few seconds.

The runs' statuses follow from the store: a training that is finished there is FINISHED, one that failed is FAILED
with its reason, one whose lock nobody holds was KILLED, also by a program of another time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from bench.results.store import Store, read_trained
from bench.results.tracking.connection import say
from bench.results.tracking.journal import head_of, journals
from bench.results.tracking.tracker import Tracker
from models.errors import InputError

PASS_SECONDS = 3.0
"""Seconds between two looks at the journals."""

AWAY_SECONDS = 30.0
"""Seconds for which MLflow is left alone after it could not be reached: the journals keep what it misses."""

QUIET_SECONDS = 30.0
"""After so long without a new point it is found out whether anybody trains."""


@contextmanager
def following(tracker: Tracker, store: Store) -> Iterator[None]:
    """Send what trainings of a store say of themselves while the block runs, and what is left when it ends."""
    follower, over = _Follower(tracker, store), threading.Event()
    thread = threading.Thread(target=follower.run, args=(over,), name="live tracking", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        follower.look(last=True)


class _Follower:
    def __init__(self, tracker: Tracker, store: Store) -> None:
        self._tracker, self._store = tracker, store
        self._looked: dict[Path, float] = {}
        self._said = False

    def run(self, over: threading.Event) -> None:
        """Look again and again."""
        pause = PASS_SECONDS
        while not over.wait(pause):
            pause = PASS_SECONDS if self.look() else AWAY_SECONDS

    def look(self, last: bool = False) -> bool:
        """Send what is new, and set statuses; whether MLflow was there.

        Args:
            last: whether nobody looks again soon; then others that log to this store are waited for.
        """
        paths = journals(self._store.root)
        if not paths:
            return True

        def send() -> None:
            for path in paths:
                self._send(path, last)

        try:
            with self._store.lock("log").acquire(timeout=None if last else 0):
                self._tracker.service.try_once(send)
        except Timeout:
            return True
        except (InputError, OSError) as error:
            if not self._said:
                say(f"warning: {error}; curves of trainings are kept in the store and sent later")
            self._said = True
            return False
        return True

    def _send(self, path: Path, last: bool) -> None:
        live, head = self._tracker.live, head_of(path)
        if head is None:
            return
        ids = [run.id for run in head.runs]
        new = live.send(path)
        trained = {name: found for name in ids if (found := read_trained(self._store.training(name)))}
        if len(trained) == len(ids):
            for name, found in trained.items():
                live.finish(name, found.info)
            return
        now = time.monotonic()
        quiet = now - self._looked.get(path, 0.0) >= QUIET_SECONDS
        if new or last or quiet:
            self._looked[path] = now
            live.set_status(path, *(("RUNNING",) if new and not last else self._status(ids)))

    def _status(self, ids: list[str]) -> tuple[str, str]:
        """Status of unfinished trainings that go through the same weights, and why they failed, else ""."""
        if any(map(self._is_under_way, ids)):
            return "RUNNING", ""
        failure = next(filter(None, map(self._store.failures.get, ids)), None)
        return ("FAILED", failure.sentence) if failure else ("KILLED", "")

    def _is_under_way(self, name: str) -> bool:
        try:
            with self._store.lock(f"training-{name}").acquire(timeout=0):
                return False
        except Timeout:
            return True
