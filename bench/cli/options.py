"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bench.config.registry import DATASETS

Preset = Annotated[str | None, typer.Option(help="Size of the methods: tiny, base or paper.")]
DataName = Annotated[str | None, typer.Option("--data", help=f"Data set: {', '.join(DATASETS.own)}.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:i.")]
Seeds = Annotated[str | None, typer.Option(help="Training seeds, separated by commas: 0,1,2.")]
Out = Annotated[Path, typer.Option(help="Folder for tables, figures and the summary.")]
StoreFolder = Annotated[
    Path, typer.Option("--store", help="Folder for trainings, run records and MLflow's store.")
]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", help="Override a key of every experiment: training.epochs=3.")
]
Full = Annotated[bool, typer.Option("--full", help="Evaluate every test window, also at the tiny preset.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Pieces of work at once: one per GPU, or per core of a CPU, by default.")
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads of each worker (1 where the CPU computes).")]
ExecutorName = Annotated[
    str | None, typer.Option("--executor", help="Where work is done: local, processes, ray or slurm.")
]
Share = Annotated[
    list[str] | None,
    typer.Option("--share", help="What each worker of ray or slurm gets: num_gpus=1, slurm_partition=long."),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what there is to do and how long it should take.")]
DEFAULT_OUT, DEFAULT_STORE = Path("results"), Path("bench-store")


def changes_of(
    preset: str | None, data: str | None, data_root: Path | None, assignments: list[str] | None
) -> list[tuple[str, Any]]:
    """What a command's options change in every experiment, as pairs of key and value."""
    from bench.config.parsing import parse_assignment

    named = [("method.preset", preset), ("data.name", data), ("data.root", data_root)]
    changes: list[tuple[str, Any]] = [(key, value) for key, value in named if value is not None]
    return changes + [parse_assignment(text) for text in assignments or []]
