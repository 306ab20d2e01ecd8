"""The command ``ablate``: declared ablations, from their files to a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import SweepRequest, with_sweep_options

if TYPE_CHECKING:
    from bench.job.resolve import Job
    from bench.results.record import RunSet
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
    from ablations.declared import default_names, expand, read, space
    from bench.cli.sweep import do
    from bench.job.data_cache import DataCache
    from bench.job.resolve import resolve
    from bench.results.record import RunSet

    changes, seeds = request.changes(), request.seed_changes()
    cache = DataCache()
    jobs: dict[str, Job] = {}
    tables: dict[str, RunSet.Table] = {}
    searches: dict[str, Space] = {}
    for name in names or default_names():
        stem = Path(Path(name).name.partition("=")[0]).stem
        ablation = read(name).as_run(changes, full)
        ids: tuple[str, ...] = ()
        if ablation.search is not None:
            searches[stem] = space(ablation, [*changes, *seeds[0]], full)
        else:
            experiments = [e for seed in seeds for e in expand(ablation, [*changes, *seed], full)]
            resolved = {job.id: job for job in (resolve(experiment, cache) for experiment in experiments)}
            jobs |= resolved
            ids = tuple(resolved)
        tables[stem] = RunSet.Table(title=ablation.title, layout=ablation.layout, ids=ids)
    do(list(jobs.values()), tables, searches, request, cache)
