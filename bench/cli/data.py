"""The ``data`` commands: describe, check and prepare data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import DataRoot, writable_folder
from bench.config.registry import DATASETS
from models.errors import InputError, quoted, shown

if TYPE_CHECKING:
    from bench.data.sequence import Dataset

commands = typer.Typer(help="Describe, check and prepare data sets.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help=f"Data set: {', '.join(DATASETS.names())}.")]
Detections = Annotated[
    str | None, typer.Option(help="Source of the 2D poses; if not given cpn, or the first that the data set has.")
]
Options = Annotated[list[str] | None, typer.Option("--set", help="Option of the reader: NAME=VALUE.")]


@commands.command()
def describe(
    name: Name = "population",
    data_root: DataRoot = None,
    detections: Detections = None,
    options: Options = None,
    pictures: Annotated[
        Path | None,
        typer.Option(help="Also save pictures of poses and projections in this folder.", callback=writable_folder),
    ] = None,
) -> None:
    """Read a data set and print what is in it."""
    from bench.data.inspect.describe import describe_dataset

    dataset = _load(name, data_root, detections, options)
    for line in describe_dataset(dataset):
        typer.echo(shown(line))
    if pictures:
        from bench.data.inspect.pictures import save_pictures

        for path in save_pictures(dataset, pictures):
            typer.echo(f"wrote {path}")


@commands.command()
def check(
    name: Name = "population",
    data_root: DataRoot = None,
    detections: Detections = None,
    options: Options = None,
) -> None:
    """Read a data set and check whether it can be right; exit code 1 when it cannot."""
    from bench.data import find_reader
    from bench.data.inspect.checks import check as check_dataset
    from bench.data.inspect.checks import checksums

    reader = find_reader(name)
    leaves_out = ["skip=true"] if "skip" in reader.options() else []  # so that every file is looked at
    dataset = _load(name, data_root, detections, [*leaves_out, *(options or [])])
    files = checksums(data_root, reader.suffixes) if data_root else ()
    lines = [*files, *check_dataset(dataset, reader.complete, reader.changing)]
    for verdict, line in lines:
        typer.echo(shown(f"{verdict:7} {line}"))
    if any(verdict == "problem" for verdict, _ in lines):
        raise typer.Exit(1)


@commands.command()
def prepare(
    name: Annotated[str, typer.Argument(help="human36m or mpi_inf_3dhp.")],
    source: Annotated[Path, typer.Argument(help="Folder of its unpacked download, with S1, ….")],
    out: Annotated[
        Path, typer.Option(help="Folder for the files that the reader takes.", callback=writable_folder)
    ],
    detections: Annotated[
        list[Path] | None,
        typer.Option(help="human36m: a ready-made data_2d_h36m_NAME.npz to check and put beside them."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files of other content.")] = False,
) -> None:
    """Build the files of Human3.6M or MPI-INF-3DHP from the original downloads."""
    from bench.data.human36m.prepare import prepare as build_human36m
    from bench.data.mpi_inf_3dhp.prepare import prepare as build_mpi_inf_3dhp

    if name == "human36m":
        files, notes = build_human36m(source, out, tuple(detections or ()), force)
    elif name == "mpi_inf_3dhp":
        if detections:
            raise InputError("mpi_inf_3dhp has no 2D poses but its own: leave --detections out")
        files, notes = build_mpi_inf_3dhp(source, out, force)
    else:
        raise InputError(f"{quoted(name)}: name human36m or mpi_inf_3dhp, and then the folder of its download")
    for note in notes:
        typer.echo(shown(f"note: {note}"), err=True)
    for path, new in files.items():
        typer.echo(f"wrote {path}" if new else f"{path} is there already, with the same content")


def _load(name: str, root: Path | None, detections: str | None, options: list[str] | None) -> Dataset:
    import bench.data
    from bench.config.parsing import parse_assignment

    if detections is None:
        offered = bench.data.find_reader(name).detections
        detections = "cpn" if "cpn" in offered else offered[0]
    chosen = dict(parse_assignment(text, example="skip=true") for text in options or [])
    return bench.data.load(name, root, detections, chosen)
