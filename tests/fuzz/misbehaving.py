"""Readers that do what none may, so that the tests see that the harness notices it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from models.errors import InputError
from tests.fuzz.mutations import Canary
from tests.fuzz.worker import Reader


def _refuse(sentence: str) -> None:
    error = InputError("")
    error.args = (sentence,)  # as it is, whatever the class makes of sentences
    raise error


def _take_memory() -> None:
    bytearray(3 << 30)


def _refuse_after_taking_memory() -> None:
    try:
        bytearray(3 << 30)
    except MemoryError as error:
        _refuse(f"cannot be read (MemoryError: {error})")


def _spin() -> None:
    while True:
        pass


def _write_outside() -> None:
    Path(tempfile.gettempdir()).parent.parent.joinpath("outside").write_text("x")


BEHAVIOURS: dict[str, Callable[[], object]] = {
    "accepts": lambda: None,
    "refuses": lambda: _refuse("x.npz is damaged: get it again"),
    "raises": lambda: {}["x"],
    "says too much": lambda: _refuse("x" * 3000),
    "says it raw": lambda: _refuse("x\x1b[31m"),
    "says nothing": lambda: _refuse(""),
    "exits": lambda: sys.exit(3),
    "takes memory": _take_memory,
    "takes memory and refuses": _refuse_after_taking_memory,
    "spins": _spin,
    "sleeps": lambda: time.sleep(1000),
    "dies": lambda: os._exit(9),
    "runs code of a pickle": lambda: pickle.loads(pickle.dumps(Canary())),
    "starts a program": lambda: subprocess.run(["true"], check=False),
    "writes outside": _write_outside,
}


def _reader(name: str, behave: Callable[[], object]) -> Reader:
    """One that reads well until its input is damaged."""

    def damage(folder: Path, rng: Random) -> None:
        (folder / "damaged").touch()

    def read(folder: Path) -> None:
        if (folder / "damaged").exists():
            behave()

    return Reader(name, lambda folder: None, damage, read)


READERS = {name: _reader(name, behave) for name, behave in BEHAVIOURS.items()}
