"""Signals that ask a training to end: it ends its step and saves its state before they have their usual effect.

Clusters send SIGTERM, or the signal that ``--signal`` of SLURM names, some time before they take a machine away.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Self

NAMES = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2")
"""Signals that end programs by themselves, and those that clusters announce a loss of the machine with."""

TOLD = b"\nthe training ends after this step and saves its state; Ctrl-C again ends it at once\n"


class HeldBack:
    """Holds signals back while a block runs, those that came since ``let_through``; only a main thread can."""

    def __init__(self) -> None:
        self._usual = {number: signal.getsignal(number) for number in _answered()}
        self.arrived: list[int] = []

    def let_through(self) -> None:
        """Let them have their usual effect: mostly an exception, or the end of the process."""
        while self.arrived:
            number = self.arrived.pop(0)
            signal.signal(number, self._usual[number])
            signal.raise_signal(number)
            signal.signal(number, self._hold)  # it has not ended the program

    def __enter__(self) -> Self:
        for number in self._usual:
            signal.signal(number, self._hold)
        return self

    def __exit__(self, *error: object) -> None:
        """Let through what came since the last ``let_through``, also where the block has failed."""
        try:
            self.let_through()
        finally:
            for number, usual in self._usual.items():
                signal.signal(number, usual)

    def _hold(self, number: int, frame: FrameType | None) -> None:
        """Note a signal; who presses Ctrl-C again does not want to wait."""
        if number not in self.arrived:
            self.arrived.append(number)
            if number == signal.SIGINT:
                os.write(2, TOLD)  # printing may wait for what this signal has interrupted
        elif number == signal.SIGINT:
            self.let_through()


def _answered() -> Iterator[int]:
    """Signals that are not ignored; of those without a usual meaning, the ones that somebody listens to."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in NAMES:
        number = getattr(signal, name, None)  # Windows has only some of them
        usual = None if number is None else signal.getsignal(number)
        if number is not None and (callable(usual) or (usual == signal.SIG_DFL and "USR" not in name)):
            yield number
