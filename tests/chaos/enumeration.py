"""A command with a fault at its n-th file operation, for all n or some, and then the same command again."""

from __future__ import annotations

import math
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench.results.leftovers import remove_leftovers
from bench.results.store import Store
from tests.chaos.contents import contents, differences, left_over, temporaries
from tests.chaos.faults import Fault, Operation
from tests.chaos.points import Point
from tests.chaos.situations import OLDER, Ended, Place

Choice = Callable[[tuple[Operation, ...]], list[Fault]]
Teller = Callable[[str], None]

TWO_DAYS = 2 * 24 * 3600.0
"""Older than anything that the suite takes for the file of a program that is still at work."""


@dataclass(frozen=True)
class Situation:
    """A command, and the store that it is given.

    Attributes:
        prepare: makes that store.
        arguments: of the command that a fault strikes, and that must make everything good when it is given again.
        done: what it may say, with exit code 2, where nothing was left to do.
    """

    prepare: Callable[[Place], None]
    arguments: Callable[[Place], list[str]]
    done: str = "never"


def _finished(place: Place) -> None:
    place.clear()
    ended = place.run(place.command("ablate", "small"), watched=False)
    assert ended.status == 0, ended.said


def _two_sweeps(place: Place) -> None:
    """The results are those of the second sweep, so nothing names what the first one made."""
    _finished(place)
    ended = place.run(place.command("ablate", "one"), watched=False)
    assert ended.status == 0, ended.said


def _exported(place: Place) -> None:
    """An empty store, and an archive of another one."""
    _finished(place)
    ended = place.run(place.runs("export", str(place.out / "runs.zip"), "--weights", out=True), watched=False)
    assert ended.status == 0, ended.said
    archive = (place.out / "runs.zip").read_bytes()
    place.clear()
    (place.out / "runs.zip").write_bytes(archive)


def _delete(place: Place) -> list[str]:
    """The command that deletes a training of which there are two evaluations."""
    trainings = Counter(record.training_id for record in Store(place.store).records().values())
    return place.runs("delete", trainings.most_common(1)[0][0], "--yes")


def _older(place: Place) -> None:
    place.clear()
    shutil.copytree(OLDER, place.store, dirs_exist_ok=True)


SITUATIONS = {
    "sweep": Situation(Place.clear, lambda place: place.command("ablate", "small")),
    "rebuild": Situation(_finished, lambda place: place.command("report", "--rebuild-index")),
    "older store": Situation(_older, lambda place: place.command("ablate", "one")),
    "delete": Situation(_finished, _delete, "no id in"),
    "gc": Situation(_two_sweeps, lambda place: place.runs("gc", str(place.out), "--yes")),
    "export": Situation(
        _finished, lambda place: place.runs("export", str(place.out / "runs.zip"), "--weights", out=True)
    ),
    "import": Situation(_exported, lambda place: place.runs("import", str(place.out / "runs.zip"), out=True)),
}
"""Name → situation. "older store": one of an earlier version, whose index gets another record."""


@dataclass(frozen=True)
class Finding:
    """Something that was not as it must be.

    Attributes:
        situation, fault, operation: where; no operation where the command ended before it.
        wrong: one sentence.
        said: by the commands.
    """

    situation: str
    fault: Fault
    operation: Operation | None
    wrong: str
    said: str

    def __str__(self) -> str:
        where = self.operation.label if self.operation else "?"
        return f"{self.situation}, {self.fault.kind} at operation {self.fault.number} ({where}): {self.wrong}"


@dataclass
class Tally:
    """What was tried, and what went wrong.

    Attributes:
        operations: number of operations of each situation, undisturbed.
        struck: (situation, kind) → number of faults.
        outcomes: (situation, kind, exit code) → how often; a negative code is that of the signal.
        ends: on the clock ``time.monotonic``; faults that are not tried until then are left out.
        left_out: how many.
        skip: so many faults of each situation are left to another call.
    """

    operations: dict[str, int] = field(default_factory=dict)
    struck: Counter[tuple[str, str]] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str, int | None]] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0
    ends: float = math.inf
    left_out: int = 0
    skip: int = 0


def go_through(place: Place, name: str, choose: Choice, tally: Tally, tell: Teller = print) -> None:
    """Let a situation's command meet some faults, one at a time, and keep what was tried and found in ``tally``.

    Args:
        place: for the stores.
        name: of the situation.
        choose: the faults, from the operations of the undisturbed command.
        tally: gets what comes out.
        tell: is told what is found.
    """
    situation, started = SITUATIONS[name], time.monotonic()
    situation.prepare(place)
    place.keep("start")
    arguments = situation.arguments(place)
    undisturbed = place.run(arguments)
    assert undisturbed.status == 0, undisturbed.said
    expected = contents(place.store)
    cases = choose(undisturbed.operations)
    random.Random(0).shuffle(cases)  # so that what there is time for is a fair part of all
    cases = cases[tally.skip :]
    tally.operations[name] = len(undisturbed.operations)
    tell(f"{name}: {len(undisturbed.operations)} operations, {len(cases)} faults")
    for done, case in enumerate(cases):
        if time.monotonic() > tally.ends:
            tally.left_out += len(cases) - done
            break
        place.restore("start")
        for finding in _try(place, name, arguments, case, expected, tally):
            tally.findings.append(finding)
            tell(f"  {finding}")
    place.forget("start")
    tally.seconds += time.monotonic() - started


def every_fault(kinds: Sequence[str]) -> Choice:
    """Every operation with every kind of fault that it can meet."""
    return lambda operations: [
        Fault(n, kind) for kind in kinds for n, operation in enumerate(operations) if operation.can(kind)
    ]


def some_faults(kinds: Sequence[str], number: int, seed: int) -> Choice:
    """Up to ``number`` faults drawn from all; all kinds of operations are equally likely, however frequent."""

    def choose(operations: tuple[Operation, ...]) -> list[Fault]:
        alike: dict[tuple[str, str], list[Fault]] = {}
        for fault in every_fault(kinds)(operations):
            alike.setdefault((operations[fault.number].label, fault.kind), []).append(fault)
        chance = random.Random(seed)
        return [chance.choice(group) for group in chance.sample(list(alike.values()), min(number, len(alike)))]

    return choose


def at_points(points: Sequence[Point]) -> Choice:
    """A kill at each of these points."""
    return lambda operations: [Fault(point.number(operations), "kill") for point in points]


def _try(
    place: Place, name: str, arguments: list[str], case: Fault, expected: Any, tally: Tally
) -> Iterator[Finding]:
    """One fault, the same command again, and what is wrong then."""
    first = place.run(arguments, case)
    operation = first.operations[case.number] if case.number < len(first.operations) else None
    if operation is None or not (operation.can(case.kind) or case.kind == "kill"):
        tally.left_out += 1  # the command took another way: a holder of a lock was waited for
        return
    tally.struck[name, case.kind] += 1
    tally.outcomes[name, case.kind, first.status] += 1
    silent = differences(contents(place.store), expected) if first.status == 0 else []
    if "warning: the report is not logged" in first.said:  # it is not waited for: the next one is
        silent = [told for told in silent if not told.startswith("report in MLflow: ")]
    _age(place)
    again = place.run(arguments, watched=False)
    if again.status == 2 and SITUATIONS[name].done in again.said:
        again = replace(again, status=0)
    said = f"{first.said}\n--- again ---\n{again.said}"
    for wrong in [*(f"exit 0, but {told}" for told in silent), *_wrong(place, case, first, again, expected)]:
        yield Finding(name, case, operation, wrong, said)


def _wrong(place: Place, case: Fault, first: Ended, again: Ended, expected: Any) -> Iterator[str]:
    """What is not as it must be after a fault and the same command again."""
    if case.kind in ("kill", "torn"):
        if first.status != -9:
            yield f"was not killed: {first.status}"
    elif first.status is None:
        yield "was stuck"
    elif "Traceback" in first.said:
        yield f"a traceback, exit {first.status}"
    elif first.status not in (0, 2):
        yield f"exit {first.status}"
    elif first.status == 2 and "error: " not in first.said:
        yield "exit 2 without a sentence"
    if again.status != 0 or "Traceback" in again.said:
        yield f"the same command again: exit {again.status}"
        return
    yield from (f"after the same command again, {told}" for told in differences(contents(place.store), expected))
    remove_leftovers(place.store)  # as the next sweep does that has anything to do
    for path in left_over(place.store):
        yield f"left over: {path}"
    for folder in (place.store, place.out):
        for path in temporaries(folder):
            yield f"left over: {folder.name}/{path}"


def _age(place: Place) -> None:
    """Make all files two days old: of the files of unfinished work, fresh ones may be another program's."""
    then = time.time() - TWO_DAYS
    for folder in (place.store, place.out):
        for path in folder.rglob("*"):
            os.utime(path, (then, then))
