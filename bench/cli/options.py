"""Options that several commands have."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from bench.config.registry import DATASETS, EXECUTORS
from models.errors import InputError

Preset = Annotated[str | None, typer.Option(help="Size of the methods: tiny, base or paper.")]
DataName = Annotated[str | None, typer.Option("--data", help=f"Data set: {', '.join(DATASETS.own)}.")]
DataRoot = Annotated[Path | None, typer.Option(help="Folder that holds the data set's files.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:i.")]
Out = Annotated[Path, typer.Option(help="Folder for tables, figures and the summary.")]
StoreFolder = Annotated[
    Path, typer.Option("--store", help="Folder for trainings, run records and MLflow's store.")
]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", help="Override a key of every experiment: training.epochs=3.")
]
DEFAULT_OUT, DEFAULT_STORE = Path("results"), Path("bench-store")

EXECUTOR = f"Where tasks are done: {', '.join(EXECUTORS.names())}."
SHARE = "What each worker of ray or slurm gets: num_gpus=1, slurm_partition=long."
THREADS = "CPU threads of each worker (1 where the CPU computes)."
WORKERS = "Tasks at once: one per GPU, or per core of a CPU, by default."


@dataclass(frozen=True)
class SweepRequest:
    """What the commands that run experiments are asked for, option by option."""

    preset: Preset = None
    data: DataName = None
    data_root: DataRoot = None
    device: Device = "auto"
    seeds: Annotated[str | None, typer.Option(help="Training seeds, separated by commas: 0,1,2.")] = None
    out: Out = DEFAULT_OUT
    store: StoreFolder = DEFAULT_STORE
    assignments: Assignments = None
    workers: Annotated[int | None, typer.Option(min=1, help=WORKERS)] = None
    threads: Annotated[int | None, typer.Option(min=1, help=THREADS)] = None
    executor: Annotated[str | None, typer.Option("--executor", help=EXECUTOR)] = None
    share: Annotated[list[str] | None, typer.Option("--share", help=SHARE)] = None
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what there is to do and how long it should take.")
    ] = False

    def changes(self) -> list[tuple[str, Any]]:
        """What is changed in every experiment, as pairs of key and value."""
        return changes_of(self.preset, self.data, self.data_root, self.assignments)

    def seed_changes(self) -> list[list[tuple[str, Any]]]:
        """For each training seed what it changes, as pairs of key and value; one without any by default.

        Raises:
            InputError: the seeds are no whole numbers.
        """
        if self.seeds is None:
            return [[]]
        parts = [part.strip() for part in self.seeds.split(",")]
        if not all(part.isascii() and part.isdecimal() for part in parts):
            raise InputError(f"--seeds {self.seeds}: is not a list of whole numbers, for example 0,1,2")
        return [[("training.seed", int(part))] for part in parts]


def with_sweep_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, whose first parameter is a ``SweepRequest``, an option for every field of it."""
    hints = get_type_hints(SweepRequest, include_extras=True)
    shared = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(SweepRequest)
    ]
    _, *own = inspect.signature(command, eval_str=True).parameters.values()

    def with_request(**given: Any) -> None:
        request = SweepRequest(**{field.name: given.pop(field.name) for field in fields(SweepRequest)})
        command(request, **given)

    with_request.__name__, with_request.__doc__ = command.__name__, command.__doc__
    parameters = [*own, *shared]
    with_request.__dict__["__signature__"] = inspect.Signature(parameters)
    with_request.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_request


def changes_of(
    preset: str | None, data: str | None, data_root: Path | None, assignments: list[str] | None
) -> list[tuple[str, Any]]:
    """What a command's options change in every experiment, as pairs of key and value."""
    from bench.config.parsing import parse_assignment

    named = [("method.preset", preset), ("data.name", data), ("data.root", data_root)]
    changes: list[tuple[str, Any]] = [(key, value) for key, value in named if value is not None]
    return changes + [parse_assignment(text) for text in assignments or []]
