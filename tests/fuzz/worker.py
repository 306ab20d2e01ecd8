"""One process that gives damaged inputs to readers, one after the other, and judges what they do."""

from __future__ import annotations

import importlib
import json
import os
import platform
import resource
import shutil
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

from models.errors import InputError
from tests.fuzz.mutations import CANARY

MEMORY = 2 << 30
"""Bytes of address space that one input may take beyond what the process has."""

LONGEST = 2000
"""Characters of a sentence."""

RUNS_CODE = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen", "socket.connect")
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
KEPT = ("sqlite3", "__pycache__", "/dev/null", "/proc/")


@dataclass(frozen=True)
class Outcome:
    """What a reader made of an input.

    Attributes:
        kind: "accepted", "refused" (with one good sentence) or "finding".
        words: the sentence, or what is wrong.
    """

    kind: str
    words: str = ""


@dataclass(frozen=True)
class Reader:
    """Something that reads files or texts of others.

    Attributes:
        name: for tables and for the command line.
        make: writes good input into an empty folder; called once in a process.
        damage: spoils the input in a copy of that folder.
        read: reads the folder as a user would; it raises ``InputError`` for what it refuses.
        own_folders: every input gets a folder of another name, because a library keeps databases open by name.
    """

    name: str
    make: Callable[[Path], None]
    damage: Callable[[Path, Random], None]
    read: Callable[[Path], None]
    own_folders: bool = False


class Worker:
    """Readers with their good inputs, in one folder that nothing may be written outside of."""

    def __init__(self, readers: dict[str, Reader], folder: Path) -> None:
        self.readers, self.folder = readers, folder
        platform.processor()  # Python runs `uname` for it, once in a process
        self._watch = _Watch(folder)
        self._ready: set[str] = set()
        self._cases = 0
        (folder / "work").mkdir(parents=True)
        os.chdir(folder / "work")
        for name in ("TMPDIR", "BENCH_CACHE", "MPLCONFIGDIR", "XDG_CACHE_HOME", "HOME"):
            (folder / name).mkdir()
            os.environ[name] = str(folder / name)
        os.environ.pop("MLFLOW_TRACKING_URI", None)

    def prepare(self, name: str) -> None:
        """Make a reader's good input and see that it is taken."""
        if name in self._ready:
            return
        reader, good = self.readers[name], self.folder / "good" / name
        good.mkdir(parents=True)
        reader.make(good)
        case = self._copy(name)
        reader.read(case)
        self._ready.add(name)

    def run(self, name: str, seed: int) -> Outcome:
        """Give a reader the input of this seed."""
        self.prepare(name)
        case = self._copy(name)
        self.readers[name].damage(case, Random(f"{name}/{seed}"))
        _limit_memory()
        self._watch.begin()
        try:
            outcome = judge(lambda: self.readers[name].read(case))
        finally:
            seen = self._watch.end()
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        sung = [str(path) for path in (Path(CANARY), case / CANARY) if path.exists()]
        return Outcome("finding", f"code was run: {seen + sung}"[:3000]) if seen or sung else outcome

    def _copy(self, name: str) -> Path:
        shutil.rmtree(self.folder / "case", ignore_errors=True)
        self._cases += 1
        case = self.folder / "case" / (f"{name} {self._cases}" if self.readers[name].own_folders else name)
        shutil.copytree(self.folder / "good" / name, case)
        return case


def judge(read: Callable[[], None]) -> Outcome:
    """What reading comes to: taken, refused with a good sentence, or something that must not be."""
    try:
        read()
    except InputError as error:
        fault = fault_of(str(error))
        return Outcome("finding", f"{fault}: {str(error)[:1500]!r}") if fault else Outcome("refused", str(error))
    except BaseException:
        text = traceback.format_exc()
        return Outcome("finding", f"traceback: {text if len(text) < 6000 else text[:1500] + ' … ' + text[-4500:]}")
    return Outcome("accepted")


def fault_of(sentence: str) -> str:
    """What is wrong with a sentence that refuses something; "" for a good one."""
    if not sentence.isprintable():
        return "not one printable line"
    if len(sentence) > LONGEST:
        return f"sentence of {len(sentence):,} characters"
    if "MemoryError" in sentence or "Unable to allocate" in sentence:
        return "memory was asked for first"
    return "" if sentence.strip() else "no words"


def command(*arguments: str | Path) -> None:
    """Run the suite's command line in this process; what it refuses is raised as ``InputError``.

    Raises:
        InputError: exit code 2.
        AssertionError: another exit code than 0, 1 and 2, or raw control characters on the terminal.
    """
    from typer.testing import CliRunner

    from bench.cli import app

    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code in (0, 1, 2), f"exit code {result.exit_code}: {result.output[:500]}"
    assert "Aborted" not in result.output, result.output[:500]
    raw = {letter for letter in result.output if not letter.isprintable()} - {"\n", "\t", "\r"}
    assert not raw, f"raw characters {sorted(raw)} on the terminal: {result.output[:1000]!r}"
    assert len(result.stderr) < 20 * LONGEST, f"{len(result.stderr):,} characters on stderr"
    if result.exit_code == 2:
        _, _, sentence = result.stderr.rpartition("error: ")
        usage = result.stderr.startswith("Usage: ")  # the command line's own words, in several lines
        raise InputError(" ".join(result.stderr.split()) if usage else sentence.removesuffix("\n"))


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))


class _Watch:
    """Notes programs that are started and files that are written outside of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder.resolve())
        self._watching = False
        self._seen: list[str] = []
        sys.addaudithook(self._hear)

    def begin(self) -> None:
        self._seen, self._watching = [], True

    def end(self) -> list[str]:
        self._watching = False
        return self._seen

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        if event in RUNS_CODE:
            self._seen.append(f"{event} {arguments[:2]}"[:300])
        elif event in CHANGES or (event == "open" and _writes(arguments)):
            for place in arguments[:2] if event in ("os.rename", "os.link", "os.symlink") else arguments[:1]:
                self._check(event, place)

    def _check(self, event: str, place: Any) -> None:
        if not isinstance(place, str | bytes | os.PathLike):
            return
        path = os.path.abspath(os.fsdecode(place))
        if not path.startswith(self._folder) and not any(part in path for part in KEPT):
            self._seen.append(f"{event} {path}"[:300])


def _writes(arguments: tuple[Any, ...]) -> bool:
    flags = arguments[2] if len(arguments) > 2 and isinstance(arguments[2], int) else 0
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))


def serve(connection: Connection, folder: Path, readers: str) -> None:
    """Do what the other end of a connection asks a ``Worker`` for: ("run", name, seed).

    ``readers``: the module that has them as ``READERS``.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.dont_write_bytecode = True
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    worker = Worker(importlib.import_module(readers).READERS, folder)
    while True:
        try:
            asked, *arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = getattr(worker, asked)(*arguments)
        except BaseException:
            answer = Outcome("finding", f"the harness failed: {traceback.format_exc()[-3000:]}")
        connection.send(answer)


def as_json(value: Any) -> str:
    """A value as JSON, whatever is in it: numbers of any length, parts of letters."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(value)
    finally:
        sys.set_int_max_str_digits(limit)
