"""The command ``ablate``: declared ablations, from their files to reports, in rounds of one training seed each."""

from __future__ import annotations

from typing import Annotated

import typer

from ablations import names as declared
from bench.cli.options import MOST_SEEDS, SEED, SweepRequest, with_sweep_options

ROUNDS = 3
"""Training seeds where the user names none: one decides nothing about differences of trainings."""


@with_sweep_options
def ablate(
    request: SweepRequest,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Declared ablations, NAME or NAME=CHOICE (all default ones when none is named), or YAML files. "
            f"There are: {', '.join(declared())}."
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="At the tiny preset too: every test window, and all of an ablation, not its tiny choice.",
        ),
    ] = False,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_SEEDS, help=f"Training seeds 0, 1, …, a report after each ({ROUNDS})."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Then, within this time from the start, further seeds for open claims: 8h.")
    ] = None,
) -> None:
    """Train, evaluate, measure and report declared ablations."""
    from ablations.declared import read_all
    from bench.cli.sweeps.rounds import Plan, refuse_searches, seconds_of
    from bench.cli.sweeps.sweep import run_and_report
    from bench.job.planning import Planner
    from models.errors import InputError

    if rounds is not None and request.seeds is not None:
        raise InputError(f"--rounds {rounds}: means the seeds 0 to {rounds - 1}; leave out --seeds, or --rounds")
    if rounds is not None:
        request.refuse_set_seed(f"--rounds {rounds}")
    ablations = read_all(names or ())
    refuse_searches(ablations, names or ())
    seeds, changes = request.seed_changes(), request.changes()
    if request.seeds is None and SEED not in dict(changes):
        seeds += [[(SEED, seed)] for seed in range(1, rounds or ROUNDS)]
    plan = Plan(
        ablations=ablations,
        changes=changes,
        seeds=seeds,
        full=full,
        named=request.seeds is not None or rounds is not None,
        planner=Planner(request.computes_on()),
        budget=None if budget is None else seconds_of(budget),
    )
    first = [*plan.changes, *seeds[0]]
    searches = {a.name: a.space(first, full) for a in plan.ablations if a.search is not None}
    run_and_report(plan.planned(), searches, request, plan.planner, plan.further if budget else None)
