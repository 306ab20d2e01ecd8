"""Options that several commands have."""

from __future__ import annotations

import inspect
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer

from bench.config.registry import DATASETS, EXECUTORS
from bench.results.files import nearest_existing
from models.errors import CONTROL_CHARACTERS, InputError, quoted

if TYPE_CHECKING:
    import torch

LONGEST_ARGUMENT = 6000  # more than the longest path or list of seeds
LONGEST_FILE_NAME = 255
MOST_WORKERS, MOST_THREADS, MOST_SEEDS = 10_000, 1024, 500

SEED = "training.seed"


def check_arguments(arguments: Sequence[str]) -> None:
    """Refuse what no command can use, whatever it is meant for.

    Raises:
        InputError: an argument is empty (a variable of the shell that is not set), too long, not text, or has
            characters that would act on the terminal and on file names in reports.
    """
    for number, text in enumerate(arguments, start=1):
        if not text or re.fullmatch(r"--[\w-]+=", text):
            raise InputError(f"argument {number} {quoted(text)} is empty: give a value or leave it out")
        if len(text) > LONGEST_ARGUMENT:
            raise InputError(
                f"argument {number} {quoted(text)} has {len(text):,} characters: at most {LONGEST_ARGUMENT:,} are "
                "read; write long descriptions into a YAML file"
            )
        if CONTROL_CHARACTERS.search(text):
            raise InputError(
                f"argument {number} {quoted(text)} has characters that cannot be shown: write it without them"
            )


def existing(path: Path | None) -> Path | None:
    """A folder or file that an option names, if it is there; what a data set needs, its reader says.

    Raises:
        InputError: it is not.
    """
    try:
        if path is not None:
            path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a folder that is there") from None
    return path


def folder(path: Path | None) -> Path | None:
    """A folder that is there, or that can be.

    Raises:
        InputError: a file is in its place, or there can be no folder of this name.
    """
    if path is not None:
        place = _nearest(path)
        if not place.is_dir():
            raise InputError(f"{place}: is a file; name a folder")
    return path


def writable_folder(path: Path | None) -> Path | None:
    """A folder that can be written, looked at before the work whose result it is to hold; it is not made.

    Raises:
        InputError: it is a file, or cannot be made or written.
    """
    if path is not None and folder(path):
        try:
            with tempfile.TemporaryFile(dir=_nearest(path)):
                pass
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror}); name another folder") from None
    return path


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    if any(len(os.fsencode(part)) > LONGEST_FILE_NAME for part in path.parts):
        raise InputError(f"{quoted(str(path))}: has a name that is too long; name another folder")
    return nearest_existing(path)


Preset = Annotated[str | None, typer.Option(help="Size of the methods: tiny, small, base or paper.")]
DataName = Annotated[str | None, typer.Option("--data", help=f"Data set: {', '.join(DATASETS.own)}.")]
DataRoot = Annotated[
    Path | None,
    typer.Option(help="Folder of the data set's files, or a single BVH file.", callback=existing),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:i or mps.")]
Out = Annotated[Path, typer.Option(help="Folder for tables, figures and the summary.", callback=writable_folder)]
StoreFolder = Annotated[
    Path, typer.Option("--store", help="Folder for trainings, run records and MLflow's store.", callback=folder)
]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", help="Override a key of every experiment: training.epochs=3.")
]
DEFAULT_OUT, DEFAULT_STORE = Path("results"), Path("bench-store")

EXECUTOR = f"Where tasks are done: {', '.join(EXECUTORS.names())}."
SHARE = "What each worker of ray or slurm gets: num_gpus=1, slurm_partition=long."
THREADS = "CPU threads of each worker (1 where the CPU computes)."
WORKERS = "Tasks at once (one per GPU, or per core of a CPU, at most 8; 4 with ray and slurm)."


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
    workers: Annotated[int | None, typer.Option(min=1, max=MOST_WORKERS, help=WORKERS)] = None
    threads: Annotated[int | None, typer.Option(min=1, max=MOST_THREADS, help=THREADS)] = None
    executor: Annotated[str | None, typer.Option("--executor", help=EXECUTOR)] = None
    share: Annotated[list[str] | None, typer.Option("--share", help=SHARE)] = None
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what there is to do and how long it should take.")
    ] = False

    def changes(self) -> list[tuple[str, Any]]:
        """What is changed in every experiment, as pairs of key and value."""
        return changes_of(self.preset, self.data, self.data_root, self.assignments)

    def computes_on(self) -> torch.device | None:
        """The device that computes; None where workers on other machines do.

        Raises:
            InputError: there is no such device here.
        """
        if self.executor not in (None, "local", "processes"):
            return None
        from bench.devices import device_of

        return device_of(self.device)

    def seed_changes(self) -> list[list[tuple[str, Any]]]:
        """For each training seed what it changes, as pairs of key and value; one without any by default.

        Raises:
            InputError: the seeds are no whole numbers, or too many, or ``--set`` names another.
        """
        if self.seeds is None:
            return [[]]
        self.refuse_set_seed(f"--seeds {self.seeds}")
        parts = [part.strip() for part in self.seeds.split(",")]
        if not all(re.fullmatch("[0-9]{1,10}", part) for part in parts):
            raise InputError(f"--seeds {self.seeds}: is not a list of whole numbers below 2^31, for example 0,1,2")
        if len(parts) > MOST_SEEDS:
            raise InputError(f"--seeds: has {len(parts):,} numbers; at most {MOST_SEEDS:,} are run")
        return [[(SEED, int(part))] for part in parts]

    def refuse_set_seed(self, option: str) -> None:
        """Refuse a seed of ``--set`` beside an ``option`` that names the seeds.

        Raises:
            InputError: there is one.
        """
        if SEED in dict(self.changes()):
            raise InputError(f"{option}: names the training seeds, as does --set {SEED}; leave out one of them")


def with_options(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command, whose first parameter is a dataclass of options, an option for every field of it."""
    hints = get_type_hints(kind, include_extras=True)
    shared = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(kind)
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(command, eval_str=True).parameters.values()

        def with_request(**given: Any) -> None:
            request = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
            command(request, **given)

        with_request.__name__, with_request.__doc__ = command.__name__, command.__doc__
        parameters = [*own, *shared]
        with_request.__dict__["__signature__"] = inspect.Signature(parameters)
        with_request.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_request

    return decorate


with_sweep_options = with_options(SweepRequest)


def changes_of(
    preset: str | None, data: str | None, data_root: Path | None, assignments: list[str] | None
) -> list[tuple[str, Any]]:
    """What a command's options change in every experiment, as pairs of key and value."""
    from bench.config.experiment import PresetName
    from bench.config.parsing import parse_assignment, suggestion

    presets = list(get_args(PresetName))
    if preset is not None and preset not in presets:
        raise InputError(f"--preset {preset}: there is no such size; {suggestion(preset, presets)}")
    named = [("method.preset", preset), ("data.name", data), ("data.root", data_root)]
    changes: list[tuple[str, Any]] = [(key, value) for key, value in named if value is not None]
    return changes + [parse_assignment(text) for text in assignments or []]
