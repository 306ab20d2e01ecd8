"""Locks between programs that share a store: one holds a lock, says so with signs of life, and others wait.

The kernel frees a lock when its holder ends, however it ends. A holder that is stopped (Ctrl-Z), or whose machine
is gone from a network file system, keeps it. So a holder touches a file beside the lock every few seconds, and who
waits for ``SILENT_SECONDS`` without seeing that passes it over: it takes the lock's name for a new lock. The other
one may still go on. Then work is done twice, but what it writes appears whole and is the same, so nothing is lost.
Only signs that change are looked at, never the time of another machine.
"""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

from filelock import FileLock, Timeout
from pydantic import ValidationError
from tqdm import tqdm

from bench.config.parsing import Frozen
from models.errors import InputError

BEAT_SECONDS = 5.0
"""Seconds between two signs of life of a holder."""

SILENT_SECONDS = 600.0
"""A holder that has given no sign of life for so long, while it was watched, is passed over."""

SAY_SECONDS, SAY_AGAIN_SECONDS = 5.0, 300.0
"""After so long it is said who is waited for; and then again and again."""

LOOK_SECONDS = 1.0
"""Seconds between two looks at the holder; between two tries to take the lock it is less."""


class Holder(Frozen):
    """Who holds a lock, since when; ``token`` tells this time from all others."""

    pid: int
    host: str
    since: datetime
    token: str

    def __str__(self) -> str:
        began = self.since.astimezone()
        today = began.date() == datetime.now(UTC).astimezone().date()
        return f"process {self.pid} on {self.host} since {began:{'%H:%M' if today else '%d %b %H:%M'}}"


class Sign(NamedTuple):
    """A sign of life: by whom, and the time that the file system gave to it."""

    holder: Holder
    moment: int


class Lock:
    """A lock that other programs on this store respect. It is no reentrant one.

    Attributes:
        name: what it guards; also the name of its file.
        lock_file: is locked; ``holder_file`` beside it says who holds it.
    """

    def __init__(self, folder: Path, name: str, passes_over: bool = True) -> None:
        """Name one of the locks in a folder; nothing is made yet.

        ``passes_over``: whether a holder without a sign of life is passed over. Not where two holders at the same
        time could lose something.
        """
        self.name, self._passes_over = name, passes_over
        self.lock_file, self.holder_file = folder / f"{name}.lock", folder / f"{name}.holder"
        self._file = FileLock(self.lock_file, thread_local=False)
        self._token = ""

    def acquire(self, timeout: float | None = None) -> Self:
        """Take the lock; release it by ``release`` or at the end of a ``with`` block.

        Args:
            timeout: seconds to wait; by default as long as the holder gives signs of life. It is said who that is.

        Raises:
            Timeout: another one holds it.
            InputError: it may not be passed over, and its holder gives no sign of life.
            OSError: the folder cannot be written.
        """
        ends = float("inf") if timeout is None else time.monotonic() + timeout
        watch, patience = None, Patience()
        while not self._try(min(LOOK_SECONDS, max(0.0, ends - time.monotonic()))):
            if time.monotonic() >= ends:
                raise Timeout(str(self.lock_file))
            watch = watch or Watch(self, self.name)
            watch.look()
            patience.tell(watch)
        return self

    def release(self) -> None:
        """Give the lock back; nothing happens if it is not held."""
        if self._token:
            _HEART.remove(self._token)
            holder = self.holder()
            if holder is not None and holder.token == self._token:
                self.holder_file.unlink(missing_ok=True)
            self._token = ""
        self._file.release()

    def holder(self) -> Holder | None:
        """Who holds the lock, or was killed while holding it; None where nobody says so."""
        try:
            return Holder.model_validate_json(self.holder_file.read_bytes())
        except (OSError, ValidationError):
            return None

    def pass_over(self, seen: Sign) -> None:
        """Take the lock's name from a holder that gives no sign of life; another one may then take the lock.

        Args:
            seen: the last sign of life; nothing happens if there is another one now.

        Raises:
            InputError: this lock's holder may not be passed over.
        """
        if not self._passes_over:
            raise InputError(
                f"{self.lock_file}: is held by {seen.holder}, which has given no sign of life for "
                f"{_words(SILENT_SECONDS)}; end that process or let it go on, then run the same command again: "
                "what is finished is kept"
            )
        one_at_a_time = FileLock(self.lock_file.with_suffix(".passing"), timeout=LOOK_SECONDS)
        with suppress(OSError), one_at_a_time:
            if self.sign() == seen:
                self.lock_file.unlink(missing_ok=True)
                self.holder_file.unlink(missing_ok=True)
                silent = f"has given no sign of life for {_words(SILENT_SECONDS)} and is passed over"
                _tell(f"{self.name}: {seen.holder} {silent}")

    def sign(self) -> Sign | None:
        """The last sign of life of the holder."""
        holder = self.holder()
        try:
            return None if holder is None else Sign(holder, self.holder_file.stat().st_mtime_ns)
        except OSError:
            return None

    def __enter__(self) -> Self:
        return self if self._file.is_locked else self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()

    def _try(self, seconds: float) -> bool:
        """Whether the lock is taken now; waits for it, but no longer than some seconds."""
        self.lock_file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file.acquire(timeout=seconds)
        except Timeout:
            return False
        try:
            self._sign_in()
        except BaseException:
            self._file.release()
            raise
        return True

    def _sign_in(self) -> None:
        """Say who holds the lock now, and go on saying it."""
        token = uuid.uuid4().hex
        holder = Holder(pid=os.getpid(), host=platform.node(), since=datetime.now(UTC), token=token)
        self.holder_file.write_bytes(holder.model_dump_json().encode())
        self._token = token
        _HEART.add(self)


class Watch:
    """Watches the holder of a lock that is waited for."""

    def __init__(self, lock: Lock, title: str) -> None:
        """``title``: what the user is told is waited for."""
        self.lock, self.title = lock, title
        self.began = self._looked = time.monotonic()
        self._silent = 0.0
        self.last = lock.sign()

    def look(self) -> None:
        """Note a new sign of life; pass over a holder that has given none for too long.

        Raises:
            InputError: the holder may not be passed over.
        """
        now, sign = time.monotonic(), self.lock.sign()
        # A gap between two looks counts little: this process may have been stopped together with the holder.
        self._silent = self._silent + min(now - self._looked, BEAT_SECONDS) if sign == self.last else 0.0
        self._looked, self.last = now, sign
        if sign is not None and self._silent >= SILENT_SECONDS:
            self.lock.pass_over(sign)

    def sentence(self, more: str = "") -> str:
        """Who is waited for, and for how long. ``more``: what else is waited for."""
        holder = self.last.holder if self.last else "another process"
        silent = f", without a sign of life for {_words(self._silent)}" if self._silent > 4 * BEAT_SECONDS else ""
        so_far = _words(time.monotonic() - self.began)
        return f"waiting for {self.title}{more}, held by {holder}{silent} ({so_far} so far)"


class Patience:
    """When to tell the user what is waited for: after a while, and then every few minutes."""

    def __init__(self) -> None:
        self._next = time.monotonic() + SAY_SECONDS

    def is_over(self) -> bool:
        """Whether it is time to say what is waited for; then it begins anew."""
        over = time.monotonic() >= self._next
        if over:
            self._next = time.monotonic() + SAY_AGAIN_SECONDS
        return over

    def tell(self, watch: Watch, more: str = "") -> None:
        """Say who is waited for, if it is time for that."""
        if self.is_over():
            _tell(watch.sentence(more))


@contextmanager
def use_device(folder: Path, name: str, alone: bool) -> Iterator[None]:
    """Use a device of this machine: together with others, or alone.

    Everyone passes through a queue. One who works with others leaves it at once and holds a lock that is nobody
    else's. One who wants to be alone stays in the queue, waits until all those locks are free, and works: whoever
    comes later waits behind that one.
    """
    place = f"{platform.node()}-{name.replace(':', '-')}"
    queue = Lock(folder, f"queue-{place}")
    if alone:
        with queue:
            for file in sorted(folder.glob(f"device-{place}-*.lock")):
                other = Lock(folder, file.stem)
                with other:
                    pass
                _remove(other)
            yield
    else:
        own = Lock(folder, f"device-{place}-{uuid.uuid4().hex}")
        with queue:
            own.acquire()
        try:
            yield
        finally:
            own.release()
            _remove(own)


class _Heart:
    """Gives the signs of life of all locks that this process holds."""

    def __init__(self) -> None:
        self._held: dict[str, Lock] = {}
        self._guard = threading.Lock()
        self._process = 0

    def add(self, lock: Lock) -> None:
        with self._guard:
            self._held[lock._token] = lock
            if self._process != os.getpid():  # a forked process has no thread yet
                self._process = os.getpid()
                threading.Thread(target=self._beat, name="signs of life", daemon=True).start()

    def remove(self, token: str) -> None:
        with self._guard:
            self._held.pop(token, None)

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT_SECONDS)
            for token, lock in list(self._held.items()):
                holder = lock.holder()
                with suppress(OSError):
                    if holder is not None and holder.token == token:  # else this process was passed over
                        os.utime(lock.holder_file)


_HEART = _Heart()


def _remove(lock: Lock) -> None:
    """Remove the files of a lock that nobody will want again."""
    for file in (lock.lock_file, lock.holder_file):
        with suppress(OSError):
            file.unlink()


def _tell(sentence: str) -> None:
    tqdm.write(sentence, file=sys.stderr)


def _words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
