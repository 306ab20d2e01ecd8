"""The command ``ablate``: declared ablations, from their files to a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import SweepRequest, with_sweep_options

if TYPE_CHECKING:
    from bench.job.resolve import Job
    from bench.results.run_set import RunSet
    from bench.sweep.search import Space


@with_sweep_options
def ablate(
    request: SweepRequest,
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Declared ablations, NAME or NAME=CHOICE (all default ones when none is named)."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Evaluate every test window, also at the tiny preset.")
    ] = False,
) -> None:
    """Train, evaluate, measure and report declared ablations."""
    from ablations.declared import read_all
    from bench.cli.sweep import run_and_report
    from bench.job.data_cache import DataCache
    from bench.job.resolve import resolve

    changes, seeds = request.changes(), request.seed_changes()
    cache = DataCache()
    jobs: dict[str, Job] = {}
    tables: dict[str, RunSet.Table] = {}
    searches: dict[str, Space] = {}
    for ablation in read_all(names or ()):
        name = ablation.name
        tables[name] = ablation.table(changes, full)
        if ablation.search is not None:
            searches[name] = ablation.space([*changes, *seeds[0]], full)
            continue
        experiments = [e for seed in seeds for e in ablation.expand([*changes, *seed], full)]
        resolved = {job.id: job for job in (resolve(e, cache) for e in experiments)}
        jobs |= resolved
        tables[name] = tables[name].model_copy(update={"ids": tuple(resolved)})
    run_and_report(list(jobs.values()), tables, searches, request, cache)
