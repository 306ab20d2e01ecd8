"""The commands ``peak`` and ``compare-speed``."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli.options import (
    DEFAULT_STORE,
    Assignments,
    DataName,
    DataRoot,
    Device,
    Preset,
    StoreFolder,
    changes_of,
)

MethodSpecText = Annotated[str, typer.Argument(help="A method, with what is changed for it: NAME,KEY=VALUE,…")]


def peak(device: Device = "auto") -> None:
    """Measure the most that the device does in plain matrix products."""
    from bench.devices import use_device
    from bench.measure.peak_flops import peak_lines

    for line in peak_lines(use_device(device)):
        typer.echo(line)


def compare_speed(
    a: MethodSpecText,
    b: MethodSpecText,
    preset: Preset = None,
    data: DataName = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    store: StoreFolder = DEFAULT_STORE,
    assignments: Assignments = None,
) -> None:
    """Time two methods in turns, A B A B, and say how many times as long B takes, with an interval."""
    from bench.config.experiment import parse, with_changes
    from bench.devices import use_device
    from bench.job.compare_speed import compare_speed as compare
    from bench.job.compare_speed import describe_comparison, parse_method_spec
    from bench.job.data_cache import DataCache
    from bench.job.jobs import Job
    from bench.job.resolve import resolve
    from bench.results.store import Store

    cache = DataCache()

    def job(spec: str) -> Job:
        changes = [*changes_of(preset, data, data_root, assignments), *parse_method_spec(spec)]
        return resolve(parse(with_changes({}, changes), spec), cache)

    jobs, place = (job(a), job(b)), use_device(device)
    for line in describe_comparison(jobs, compare(jobs, Store(store), place), place):
        typer.echo(line)
