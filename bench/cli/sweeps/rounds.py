"""The rounds of declared ablations: in each, a further training seed for everything, or for open claims alone."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from bench.cli.options import SEED
from bench.cli.sweeps.interim import Round
from bench.job.planning import Planner
from bench.job.task import distributed
from bench.results.run_set import Claim, RunSet
from models.errors import InputError
from reports.rules.claims import judge

if TYPE_CHECKING:
    from ablations.claims import DeclaredClaim
    from ablations.declared import Ablation
    from bench.config.experiment import Experiment
    from bench.results.record import Record

UNITS = {"h": 3600.0, "min": 60.0, "m": 60.0, "s": 1.0}

Change = list[tuple[str, Any]]
Sides = tuple[list["Experiment"], list["Experiment"]]
"""What is said to be better, and the other side of a claim."""


def seconds_of(budget: str) -> float:
    """``8h``, ``90min`` or ``30s`` in seconds.

    Raises:
        InputError: it is none of these, or several processes train together, each of which would end elsewhere.
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*(h|min|m|s)", budget)
    if found is None or not float(found[1]):
        raise InputError(f"--budget {budget}: is no time; write 8h, 90min or 30s")
    if distributed():
        raise InputError(
            f"--budget {budget}: several processes cannot decide together; leave it out under torchrun"
        )
    return float(found[1]) * UNITS[found[2]]


def refuse_searches(ablations: Sequence[Ablation], asked: Sequence[str]) -> None:
    """Refuse searches where several processes train together: each would ask for other trials, and all would wait.

    Args:
        ablations: those that are run.
        asked: their names as the user gave them; none for the default ones.

    Raises:
        InputError: one of them is a search.
    """
    names = list(dict.fromkeys(asked)) or [ablation.name for ablation in ablations]
    found = [ablation.name for ablation in ablations if ablation.search is not None]
    if not found or not distributed():
        return
    others = [name for name, ablation in zip(names, ablations, strict=True) if ablation.search is None]
    each, them = ("ablation", "it") if len(found) == 1 else ("ablations", "them")
    advice = f"leave {them} out under torchrun: name {shlex.join(others)}"
    raise InputError(
        f"{each} {', '.join(found)}: several processes cannot search together; "
        + (advice if others else f"start {them} without torchrun")
    )


@dataclass
class Plan:
    """Declared ablations, what changes them, and the training seeds that each gets.

    Attributes:
        changes: in every experiment.
        seeds: what each planned round changes beside that.
        full: at the tiny preset too, every test window and all of an ablation.
        named: the user names the seeds, which then replace those of a file.
        budget: seconds within which open claims get further seeds; None for no further seeds.
        added: (table, number of a claim) → what the further rounds change for this claim, one seed each.
        looks: (table, number of a claim) → number of the last look at the verdicts that gave it a seed.
    """

    ablations: Sequence[Ablation]
    changes: Change
    seeds: Sequence[Change]
    full: bool
    named: bool
    planner: Planner
    budget: float | None = None
    added: dict[tuple[str, int], list[Change]] = field(default_factory=dict)
    looks: dict[tuple[str, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started = monotonic()

    def planned(self) -> list[Round]:
        """One round per seed, each with everything that the rounds before it have."""
        return [self._round(number) for number in range(1, len(self.seeds) + 1)]

    def further(self, records: Mapping[str, Record], took: float) -> Round | None:
        """Everything so far, with a further seed for open claims; None where no claim is open, or no time is left.

        A round is begun where one as long as the last, ``took`` seconds, fits into the budget. Claims that no
        training can decide get no further seed.
        """
        if self.budget is None or monotonic() + took > self.started + self.budget:
            return None
        look = max(self.looks.values(), default=1) + 1
        tables = self._round(len(self.seeds)).tables
        for name, table in tables.items():
            for number, found in enumerate(judge(table.claims, records)):
                if found.verdict == "open" and found.decidable:
                    seeds = self.added.setdefault((name, number), [])
                    seeds.append([(SEED, self._first_free(name) + len(seeds))])
                    self.looks[name, number] = look
        return self._round(len(self.seeds)) if look in self.looks.values() else None

    def _round(self, number: int) -> Round:
        tables = {ablation.name: self._table(ablation, self.seeds[:number]) for ablation in self.ablations}
        ids = evenly([table.ids for table in tables.values()])
        self.planner.check(ids)
        return Round(self.planner.jobs(ids), tables, self.planner.left_out)

    def _table(self, ablation: Ablation, seeds: Sequence[Change]) -> RunSet.Table:
        table = ablation.table(self.changes, self.full)
        if ablation.search is not None:
            return table
        own_seeds = not self.named and (ablation.seeds or SEED in dict(self.changes))
        seeds = seeds[:1] if own_seeds else seeds
        ids = self.planner.ids(e for seed in seeds for e in ablation.expand([*self.changes, *seed], self.full))
        pairs = [ablation.compared([*self.changes, *seed], self.full) for seed in seeds] if ablation.claims else []
        claims = [
            self._claim(ablation, number, declared, [of_seed[number] for of_seed in pairs])
            for number, declared in enumerate(ablation.claims)
        ]
        tested = [name for claim in claims for name in (*claim.better, *claim.other)]
        return table.model_copy(update={"ids": tuple(dict.fromkeys([*ids, *tested])), "claims": tuple(claims)})

    def _claim(self, ablation: Ablation, number: int, declared: DeclaredClaim, pairs: Sequence[Sides]) -> Claim:
        """A claim with its runs: those of the planned seeds, ``pairs``, and of those that it got beside them."""
        key = ablation.name, number
        further = [[*self.changes, *seed] for seed in self.added.get(key, [])]
        pairs = [*pairs, *(ablation.compared(change, self.full)[number] for change in further)]
        better, other = (self.planner.ids(e for pair in pairs for e in pair[side]) for side in (0, 1))
        look = 0 if self.budget is None else self.looks.get(key, 1)
        return declared.with_runs(better, other).model_copy(update={"look": look})

    def _first_free(self, name: str) -> int:
        """The first seed above those that everything of a table has."""
        own = next(ablation.seeds for ablation in self.ablations if ablation.name == name)
        given = [value for change in [self.changes, *self.seeds] for key, value in change if key == SEED]
        return 1 + max([0, *own, *given])


def evenly(tables: Iterable[Sequence[str]]) -> list[str]:
    """Ids of all tables, each once, in an order in which all tables fill alike."""
    shares = [(n / len(ids), place, name) for place, ids in enumerate(tables) for n, name in enumerate(ids)]
    return list(dict.fromkeys(name for _, _, name in sorted(shares)))
