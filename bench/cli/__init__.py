"""The command line. It alone reaches every floor, inside its commands: ``--help`` imports little.

Here are the program, its commands and its exit codes; each group of commands has a file of its own.
"""

from __future__ import annotations

from typing import Any

import typer
import typer.core

from bench.cli import ablate, checkpoints, data, doctor, methods, report, run, speed
from bench.results.files import UNWRITABLE
from models.errors import InputError

INTERRUPTED = "interrupted; what is finished is kept, and the same command goes on from here"


class _Group(typer.core.TyperGroup):
    """Bad input is one sentence and exit code 2, Ctrl-C is 130 (SIGTERM: 143); never a traceback for either."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            _complain(f"error: {error}", 2)
        except KeyboardInterrupt as interrupt:
            _complain(INTERRUPTED, getattr(interrupt, "status", 130))
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            place = error.filename or "an output folder"
            _complain(
                f"error: {place}: cannot be written ({error.strerror}); free space or name another folder", 2
            )


app = typer.Typer(
    cls=_Group,
    help="Benchmark and ablation suite for monocular 3D human pose estimation (2D-to-3D lifting).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data.commands, name="data")
app.command()(ablate.ablate)
app.command()(run.run)
app.command()(report.report)
app.command()(methods.methods)
app.command()(doctor.doctor)
app.command()(speed.peak)
app.command("compare-speed")(speed.compare_speed)
app.command("import-checkpoint")(checkpoints.import_checkpoint)


def main() -> None:
    """Entry point of the console script."""
    app()


def _complain(sentence: str, status: int) -> None:
    typer.echo(sentence, err=True)
    raise typer.Exit(status)
