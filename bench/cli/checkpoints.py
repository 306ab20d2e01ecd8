"""The commands ``parity`` and ``import-checkpoint``: what the published implementations gave and learned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def parity(
    files: Annotated[list[Path], typer.Argument(help="Golden files, or folders of them.")],
) -> None:
    """Compare our methods with golden vectors of the published ones; exit code 1 when an array differs."""
    from bench.parity import check_file, golden_files, markdown

    checks = [check for path in golden_files(files) for check in check_file(path)]
    typer.echo(markdown(checks))
    if not all(check.good for check in checks):
        raise typer.Exit(1)


def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="A published .bin, .pth or .pt file.")],
    method: Annotated[str, typer.Option(help="Name of the method; one with published checkpoints.")],
    out: Annotated[Path | None, typer.Option(help="Where to write (beside the file by default).")] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", help="What shapes do not tell: heads=8, frames=243."),
    ] = None,
) -> None:
    """Read a published checkpoint safely and write it as safetensors."""
    from importlib import import_module

    from bench.config.parsing import parse_assignment

    published = import_module("models.checkpoints.importer")
    imported = published.import_checkpoint(file, method, **dict(parse_assignment(text) for text in options or []))
    target = out or file.with_suffix(".safetensors")
    imported.save(target)
    typer.echo(f"wrote {target}: {imported.config}, source SHA-256 {imported.source_sha256}")
