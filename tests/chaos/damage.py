"""Damage that nobody tells of: a bit of a file flips, a file is cut short, has another schema, or is gone.

Then a command that needs the file is given. It must not come to other numbers, and not end with exit code 0 while
something is missing and nothing is said of it: it makes the file good, or it says which one cannot be used.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tests.chaos.contents import contents, differences
from tests.chaos.enumeration import SITUATIONS, Finding, Tally
from tests.chaos.faults import Fault, Operation
from tests.chaos.points import POINTS
from tests.chaos.situations import Ended, Place

OTHER_SCHEMA = b'{"schema":99,"sha256":"0","document":{"id":"0"}}'


def _flip(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    flipped = content[place] ^ (1 << chance.randrange(8))
    return content[:place] + bytes([flipped]) + content[place + 1 :]


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "flip": _flip,
    "cut": lambda content, chance: content[: len(content) // 2],
    "empty": lambda content, chance: b"",
    "other": lambda content, chance: OTHER_SCHEMA,
    "gone": lambda content, chance: None,
}
"""Name → the new content of a file; None where the file is removed."""


@dataclass(frozen=True)
class Half:
    """A store in the middle of its work.

    Attributes:
        point: at which the small sweep was killed; "" for a finished one.
        needs: pattern of files → words of the command that needs them; the first that fits counts.
    """

    point: str
    needs: dict[str, tuple[str, ...]]


READ_BY_PICTURES = ("store/errors", "store/examples")

SWEEP, MORE, REBUILD = ("ablate", "small"), ("ablate", "more"), ("report", "--rebuild-index")
STORES = {
    "finished": Half(
        "",
        {
            "store/index.parquet": SWEEP,
            "store/errors/*": SWEEP,
            "store/examples/*": SWEEP,
            "store/trainings/*": MORE,
            "store/prices/*": MORE,
            "store/times/*": MORE,
            "store/artifacts/*/record.json": REBUILD,
            "results/runset.json": ("report",),
        },
    ),
    "failed": Half("", {"store/failures/*": ("ablate", "failing")}),
    "training": Half("in a training, between two states", {"store/trainings/*": SWEEP}),
    "evaluated": Half("between an evaluation and MLflow", {f"store/{name}/*": SWEEP for name in (
        "evaluations", "prices", "errors", "examples", "times"
    )}),
    "recorded": Half("in fold, before the index", {"store/records/*": SWEEP}),
}  # fmt: skip
"""Name → store whose files are damaged."""


def damage_files(place: Place, number: int, seed: int, tally: Tally, tell: Callable[[str], None] = print) -> None:
    """Damage one file after the other in every way, or so many chosen by ``seed``; 0 for all."""
    started = time.monotonic()
    chance = random.Random(seed)
    expected = _undisturbed(place)
    cases = []
    for name in STORES:
        _prepare(place, name)
        place.keep(name)
        cases += [(name, file, kind, words) for file, words in _files(place, name) for kind in DAMAGES]
    chosen = chance.sample(cases, number or len(cases))
    tell(f"damage: {len(cases)} files and ways, {len(chosen)} tried")
    for done, (name, file, kind, words) in enumerate(chosen):
        if time.monotonic() > tally.ends:
            tally.left_out += len(chosen) - done
            break
        place.restore(name)
        operation = Operation(kind, file)
        ended = _damage(place, file, kind, words, chance)
        tally.struck[f"damage: {name}", kind] += 1
        tally.outcomes[f"damage: {name}", kind, ended.status] += 1
        for wrong in _wrong(place, file, words, ended, expected):
            finding = Finding(f"damage: {name}", Fault(0, kind), operation, wrong, ended.said)
            tally.findings.append(finding)
            tell(f"  {finding}")
    tally.seconds += time.monotonic() - started


def _undisturbed(place: Place) -> dict[tuple[str, ...], Any]:
    """Words of a command → what the store holds after it."""
    place.clear()
    found = {}
    for words in (SWEEP, MORE):
        ended = place.run(place.command(*words), watched=False)
        assert ended.status == 0, ended.said
        found[words] = contents(place.store)
    place.clear()
    ended = place.run(place.command("ablate", "failing"), watched=False)
    assert ended.status == 1, ended.said
    found["ablate", "failing"] = contents(place.store)
    return found


def _prepare(place: Place, name: str) -> None:
    """A store in the state of this name."""
    place.clear()
    point = STORES[name].point
    fault = None
    if point:
        undisturbed = place.run(SITUATIONS["sweep"].arguments(place))
        fault = Fault(POINTS[point].number(undisturbed.operations), "kill")
        place.clear()
    words = ("ablate", "failing") if name == "failed" else SWEEP
    ended = place.run(place.command(*words), fault)
    assert ended.status == (-9 if fault else 1 if name == "failed" else 0), ended.said


def _files(place: Place, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Files of a store, relative to the case's folder, each with the command that needs it; one of each kind."""
    folder, seen = place.store.parent, set()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        file = str(path.relative_to(folder))
        found = next((words for pattern, words in STORES[name].needs.items() if fnmatch(file, pattern)), None)
        label = Operation("", file).label
        if found is not None and label not in seen and not path.name.startswith("."):
            seen.add(label)
            yield file, found


def _damage(place: Place, file: str, kind: str, words: tuple[str, ...], chance: random.Random) -> Ended:
    path = place.store.parent / file
    drawn = file.startswith(READ_BY_PICTURES)
    for each in sorted(path.parent.glob("*")) if drawn else [path]:  # not every picture reads every file
        content = DAMAGES[kind](each.read_bytes(), chance)
        if content is None:
            each.unlink()
        else:
            each.write_bytes(content)
    return place.run(place.command(*words), watched=False, drawn=drawn)


def _wrong(
    place: Place, file: str, words: tuple[str, ...], ended: Ended, expected: dict[Any, Any]
) -> Iterator[str]:
    """What is not as it must be: other numbers, or something missing that nothing was said of."""
    said = ended.status not in (0, None) and "error: " in ended.said
    known_as = [Path(file).name] if Path(file).parts[1] != "trainings" else [Path(file).parent.name]
    known_as += [f"{folder}/" for folder in READ_BY_PICTURES if file.startswith(folder)]
    named = any(name in ended.said for name in known_as)
    if ended.status is None:
        yield "was stuck"
    elif "Traceback" in ended.said or ended.status not in (0, 1, 2):
        yield f"a traceback, exit {ended.status}"
    elif ended.status == 2 and not said:
        yield "exit 2 without a sentence"
    elif ended.status == 1 and words != ("ablate", "failing") and not named:
        yield "exit 1 without the name of the file"
    if ended.status == 0 or words == ("ablate", "failing"):
        wanted = expected.get(words, expected[SWEEP])
        for told in differences(contents(place.store), wanted):
            kept = "arrays" if file.startswith(READ_BY_PICTURES) else "MLflow" if words == REBUILD else "nothing"
            if not (named and told.startswith(kept)):  # a run that cannot be read stays beside the one made again
                yield f"exit {ended.status}, but {told}"
