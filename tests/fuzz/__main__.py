"""``python -m tests.fuzz --seconds 300 --seed 0``: give damaged inputs to every reader, and print what came of it.

Without ``--seconds`` only the input of ``--seed`` is tried, and what came of it is printed, to repeat a finding:
``--reader bvh --seed 17``.
"""

from __future__ import annotations

import argparse
import itertools
import math
import multiprocessing
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.fuzz.worker import Outcome, serve

PATIENCE, PREPARATION = 20.0, 300.0
"""Seconds that one input may take, and that a process may take to make its good inputs."""

SHARE = 0.2
"""Share of a core that a process has at least: on a busier machine it gets more time than ``PATIENCE``."""

INPUTS_OF_A_PROCESS = 3000
"""Inputs that one process reads before a new one begins: what libraries keep of each adds up."""

READERS = (
    "human36m", "mpi_inf_3dhp", "bvh", "run file", "ablation file", "command line", "checkpoint",
    "imported weights",
    "trained weights", "training state", "documents", "index", "run set", "arrays", "MLflow record",
)  # fmt: skip


class Process:
    """A worker process that is replaced when it hangs or dies.

    Attributes:
        last: folder of the input that was read last.
    """

    def __init__(self, folder: Path, readers: str = "tests.fuzz.readers", patience: float = PATIENCE) -> None:
        """``readers``: the module that has them; ``patience``: seconds of a processor that one input may take."""
        self._folder, self._readers, self._patience = folder, readers, patience
        self._number, self.last = itertools.count(), folder
        self._start()

    def run(self, reader: str, seed: int) -> Outcome:
        """Give a reader an input; a hang and a crash are findings."""
        if self._runs >= INPUTS_OF_A_PROCESS:
            self._replace()
        self._runs += 1
        if reader not in self._ready:
            failed = self._ask(PREPARATION, "prepare", reader)
            if failed is not None:
                return failed
            self._ready.add(reader)
        self.last = self._place / "case"
        return self._ask(self._patience, "run", reader, seed)

    def close(self) -> None:
        """End the process; it ends by itself if it is not at work."""
        self._connection.close()
        self._process.join(0.0 if self._hangs else 10.0)
        self._process.kill()
        self._process.join()

    def _ask(self, patience: float, *what: Any) -> Any:
        try:
            self._connection.send(what)
            if self._answers_within(patience):
                return self._connection.recv()
            self._hangs = True
            fault = f"no answer within {patience:.0f} s"
        except (EOFError, OSError, psutil.NoSuchProcess):
            self._process.join(5)
            fault = f"the process died with exit code {self._process.exitcode}"
        self._replace()
        return Outcome("finding", fault)

    def _answers_within(self, seconds: float) -> bool:
        """Whether an answer comes before so much time of a processor is used, or much more has passed."""
        begin, used = time.monotonic(), self._processor_seconds()
        while not self._connection.poll(1.0):
            if self._processor_seconds() - used > seconds or time.monotonic() - begin > seconds / SHARE:
                return self._connection.poll(0.0)
        return True

    def _processor_seconds(self) -> float:
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def _replace(self) -> None:
        self.close()
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._place = self._folder / f"process-{next(self._number)}"
        self._process = context.Process(target=serve, args=(theirs, self._place, self._readers), daemon=True)
        self._process.start()
        theirs.close()
        self._runs, self._ready, self._hangs = 0, set[str](), False


def fuzz(
    readers: list[str], seeds: Iterator[int], until: float, kept: Path, processes: int = 1, tell: bool = False
) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Try inputs, reader by reader in turns, until a moment of ``time.monotonic`` or the end of the seeds.

    Args:
        kept: folder for findings: the input as it was read, and what was wrong.
        tell: print what came of every input.

    Returns:
        How often a reader came to which outcome, and one line for each finding.
    """
    counts: Counter[tuple[str, str]] = Counter()
    lines: list[str] = []
    cases = ((reader, seed) for seed in seeds for reader in readers)
    lock = threading.Lock()

    def work(folder: Path) -> None:
        process = Process(folder)
        try:
            while time.monotonic() < until:
                with lock:
                    case = next(cases, None)
                if case is None:
                    break
                outcome = process.run(*case)
                with lock:
                    counts[case[0], outcome.kind] += 1
                    if outcome.kind == "finding":
                        lines.append(_report(*case, outcome, kept, process.last))
                    elif tell:
                        print(*case, outcome.kind, outcome.words, flush=True)
        finally:
            process.close()

    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        threads = [threading.Thread(target=work, args=(Path(folder, str(number)),)) for number in range(processes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return counts, lines


def table(counts: Counter[tuple[str, str]]) -> str:
    """Reader by reader: inputs, refused, accepted, findings; as Markdown."""
    lines = ["| reader | inputs | refused | accepted | findings |", "| --- | ---: | ---: | ---: | ---: |"]
    readers = [reader for reader in READERS if any(name == reader for name, _ in counts)]
    for reader in (*readers, "all"):
        of = [sum(n for (name, k), n in counts.items() if reader in (name, "all") and k == kind) for kind in KINDS]
        lines.append(f"| {reader} | {sum(of):,} | {of[0]:,} | {of[1]:,} | {of[2]:,} |")
    return "\n".join(lines)


KINDS = ("refused", "accepted", "finding")


def _report(reader: str, seed: int, outcome: Outcome, kept: Path, case: Path) -> str:
    """Print a finding and keep it with its input."""
    last = outcome.words.strip().splitlines()[-1] if outcome.words.strip() else ""
    line = f"finding: --reader '{reader}' --seed {seed}: {outcome.words.splitlines()[0][:60]} … {last[:200]}"
    print(line, flush=True)
    folder = kept / f"{reader.replace(' ', '-')}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    if case.exists():
        shutil.copytree(case, folder / "input", dirs_exist_ok=True)
    words = f"python -m tests.fuzz --reader '{reader}' --seed {seed}\n\n{outcome.words}\n"
    (folder / "finding.txt").write_text(words, errors="backslashreplace")
    return line


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--reader", action="append", choices=READERS, help="only this one; may be repeated")
    parser.add_argument("--seed", type=int, default=0, help="of the first input")
    parser.add_argument("--seconds", type=float, help="for how long; without it, one input for each reader")
    parser.add_argument("--inputs", type=int, default=1, help="how many for each reader, without --seconds")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--kept", type=Path, default=Path("fuzz-findings"), help="folder for findings")
    asked = parser.parse_args()
    endless = asked.seconds is not None
    seeds = itertools.count(asked.seed) if endless else iter(range(asked.seed, asked.seed + asked.inputs))
    until = time.monotonic() + asked.seconds if endless else math.inf
    readers = asked.reader or list(READERS)
    counts, lines = fuzz(readers, seeds, until, asked.kept, asked.processes, tell=not endless)
    print(table(counts))
    sys.exit(1 if lines else 0)


if __name__ == "__main__":
    main()
