"""``python -m tests.chaos``: every fault at every operation, or what --some, --points and --damages ask for."""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from pathlib import Path

from tests.chaos import situations
from tests.chaos.damage import damage_files
from tests.chaos.enumeration import SITUATIONS, Tally, at_points, every_fault, go_through, some_faults
from tests.chaos.faults import KINDS
from tests.chaos.points import POINTS, Point


def main() -> int:
    """Print what was tried and what was found; 1 where anything was lost, stuck or silent."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--situations", nargs="+", default=list(SITUATIONS), choices=list(SITUATIONS))
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--some", type=int, help="so many faults of each situation, chosen by --seed")
    parser.add_argument("--points", type=int, help="kills at so many named points, chosen by --seed; 0 for all")
    parser.add_argument("--damages", type=int, help="so many damaged files, chosen by --seed; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip", type=int, default=0, help="so many faults of each situation were tried before")
    parser.add_argument("--minutes", type=float, default=math.inf, help="what is not tried by then is left out")
    parser.add_argument("--json", type=Path, help="file for the figures")
    given = parser.parse_args()
    tally = Tally(ends=time.monotonic() + 60 * given.minutes, skip=given.skip)
    place = situations.prepare()
    try:
        _go_through(given, place, tally)
    finally:
        place.close()
    print(_summary(tally))
    if given.json:
        given.json.write_text(json.dumps(_figures(tally), indent=1))
    return 1 if tally.findings else 0


def _go_through(given: argparse.Namespace, place: situations.Place, tally: Tally) -> None:
    if given.points is not None:
        known = [point for point in POINTS.values() if point.situation in given.situations]
        chosen = _chosen(known, given.points, given.seed)
        for name in given.situations:
            here = [point for point in chosen if point.situation == name]
            if here:
                go_through(place, name, at_points(here), tally, _tell)
    if given.damages is not None:
        damage_files(place, given.damages, given.seed, tally, _tell)
    some = given.some
    if some is not None or (given.points is None and given.damages is None):
        choice = every_fault(given.kinds) if some is None else some_faults(given.kinds, some, given.seed)
        for name in given.situations:
            go_through(place, name, choice, tally, _tell)


def _chosen(things: list[Point], number: int, seed: int) -> list[Point]:
    return random.Random(seed).sample(things, number) if number else things


def _tell(line: str) -> None:
    print(line, flush=True)


def _summary(tally: Tally) -> str:
    tried, found = sum(tally.struck.values()), len(tally.findings)
    lines = [f"{tally.seconds:.0f} s, {tried} faults, {tally.left_out} left out, {found} findings"]
    for (situation, kind, status), number in sorted(tally.outcomes.items(), key=str):
        lines.append(f"  {situation}, {kind}: {number} ended with {status}")
    return "\n".join(lines)


def _figures(tally: Tally) -> dict[str, object]:
    return {
        "seconds": round(tally.seconds),
        "left out": tally.left_out,
        "operations": tally.operations,
        "struck": {f"{situation}, {kind}": number for (situation, kind), number in tally.struck.items()},
        "outcomes": {", ".join(map(str, key)): number for key, number in tally.outcomes.items()},
        "findings": [{"what": str(finding), "said": finding.said[-4000:]} for finding in tally.findings],
    }


if __name__ == "__main__":
    sys.exit(main())
