"""The command ``import-checkpoint``: published weights become a file that experiments can name."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Annotated

import typer


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
    from bench.config.parsing import parse_assignment
    from bench.config.registry import CHECKPOINTS
    from bench.results.files import atomic
    from models.checkpoints.importer import import_checkpoint as read_published
    from models.errors import InputError

    known = CHECKPOINTS.names()
    if method not in known:
        raise InputError(f"{method!r} has no published checkpoints: take one of {', '.join(known)}")
    assignments = dict(parse_assignment(text, example="heads=8") for text in options or [])
    try:
        imported = read_published(file, CHECKPOINTS.load(method), **assignments)
    except InputError as error:
        other = _other_method(file, method)
        if other is None:
            raise
        raise InputError(f"{error}; it looks like a checkpoint of {other}: give --method {other}") from error
    target = out or file.with_suffix(".safetensors")
    try:
        if not target.parent.is_dir():  # usually a typing error
            raise FileNotFoundError(errno.ENOENT, f"there is no folder {target.parent}")
        with atomic(target) as written:
            written.write(imported.to_bytes())
    except OSError as error:
        reason = f"cannot be written ({error.strerror}); name another place with --out"
        raise InputError(f"{target}: {reason}") from error
    typer.echo(f"wrote {target}: {imported.config}, source SHA-256 {imported.source_sha256}")


def _other_method(file: Path, method: str) -> str | None:
    """The method whose checkpoint a file looks like, if that is another one than was named."""
    from bench.config.registry import CHECKPOINTS
    from models.checkpoints.importer import resembled
    from models.errors import InputError

    try:
        found = resembled(file, (adapter for _, adapter in CHECKPOINTS.available()))
    except InputError:  # no state dict, which the user is told already
        return None
    return None if found == method else found
