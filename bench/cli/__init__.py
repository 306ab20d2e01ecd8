"""The command line. It alone reaches every floor, inside its commands: ``--help`` imports little.

Here are the program, its commands and its exit codes; each group of commands has a file of its own.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
import typer.core

from bench.cli import ablate, checkpoints, data, doctor, methods, predict, report, run, runs, speed
from bench.cli.options import check_arguments
from bench.results.files import UNWRITABLE
from models.errors import InputError, shown

USAGE_ERROR: Any = typer.BadParameter.__base__
"""What typer raises for words that it cannot take; it has the class from its own copy of click, or from click."""

INTERRUPTED = "interrupted; what is finished is kept, and the same command goes on from here"


class _Group(typer.core.TyperGroup):
    """Bad input is one sentence and exit code 2, Ctrl-C is 130 (SIGTERM: 143); never a traceback for either."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _sentences():
            check_arguments(args)
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with _sentences():
            return super().invoke(ctx)


@contextmanager
def _sentences() -> Iterator[None]:
    """Errors that the user can mend, as sentences on stderr and exit codes."""
    try:
        yield
    except USAGE_ERROR as error:  # typer would draw a box around it
        if type(error).__name__ == "NoArgsIsHelpError":  # which is the help page
            raise
        told = " ".join(error.format_message().split()).rstrip(".").replace(". Did you", "; did you")
        way = f"; `{error.ctx.command_path} --help` says what there is" if error.ctx else ""
        _complain(f"error: {told}{'' if told.endswith('?') else way}", 2)
    except InputError as error:
        _complain(f"error: {error}", 2)
    except KeyboardInterrupt as interrupt:
        _complain(INTERRUPTED, getattr(interrupt, "status", 130))
    except EOFError as error:  # typer would only say "Aborted."
        _complain(f"error: a file ends before its content does ({error}); get the named files again", 2)
    except OSError as error:
        problem, way = "used", "name another place"
        if error.errno in UNWRITABLE:
            problem, way = "written", "free space or name another folder"
        elif error.filename is None:
            raise
        place = error.filename or "the store or an output folder"
        _complain(f"error: {place}: cannot be {problem} ({error.strerror}); {way}", 2)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"lifting-bench {version('lifting-bench')}")
        except PackageNotFoundError:
            typer.echo("lifting-bench, not installed: it runs from its source")
        raise typer.Exit


app = typer.Typer(
    cls=_Group,
    help="Benchmark and ablation suite for monocular 3D human pose estimation (2D-to-3D lifting).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


app.add_typer(data.commands, name="data")
app.add_typer(runs.commands, name="runs")
app.command()(ablate.ablate)
app.command()(run.run)
app.command()(report.report)
app.command()(predict.predict)
app.command("compare-on")(predict.compare_on)
app.command()(methods.methods)
app.command()(doctor.doctor)
app.command()(speed.peak)
app.command("compare-speed")(speed.compare_speed)
app.command("import-checkpoint")(checkpoints.import_checkpoint)


def main() -> None:
    """Entry point of the console script."""
    os.environ["MPLBACKEND"] = "agg"  # no window is opened, and a notebook's own backend may not be installed here
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every terminal has every letter
    warnings.formatwarning = _in_a_line
    app()


def _in_a_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning without the place in the code, such as that a method of another package is left out."""
    return f"warning: {shown(message)}\n"


def _complain(sentence: str, status: int) -> NoReturn:
    typer.echo(shown(sentence), err=True)
    raise typer.Exit(status)
