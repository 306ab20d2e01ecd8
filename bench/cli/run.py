"""The command ``run``: one experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli.options import SweepRequest, with_sweep_options


@with_sweep_options
def run(
    request: SweepRequest,
    description: Annotated[
        Path | None, typer.Argument(help="YAML file of an experiment (the default experiment without one).")
    ] = None,
    method: Annotated[str | None, typer.Option(help="Name of a method; `methods` lists them.")] = None,
) -> None:
    """Run one experiment: train it if that was not done, evaluate, measure, log and report."""
    from bench.cli.sweeps.interim import Round
    from bench.cli.sweeps.sweep import run_and_report
    from bench.config.experiment import parse, with_changes
    from bench.config.parsing import read_yaml
    from bench.job.planning import Planner
    from bench.results.run_set import RunSet

    base: Any = read_yaml(description) if description else {}
    named = [("method.name", method)] if method else []
    planner = Planner(request.computes_on())
    changes = [[*named, *request.changes(), *seed] for seed in request.seed_changes()]
    source = str(description or "experiment")
    ids = planner.ids(parse(with_changes(base, change), source) for change in changes)
    planner.check(ids)
    tables = {"run": RunSet.Table(title="Single runs", layout="runs", ids=ids)}
    run_and_report([Round(planner.jobs(ids), tables, planner.left_out)], {}, request, planner)
