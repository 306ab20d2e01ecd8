"""The command ``methods``: what there is to choose from."""

from __future__ import annotations

import warnings

import typer


def methods() -> None:
    """List the methods, their sizes and the options that --set method.options.NAME=VALUE changes."""
    from dataclasses import asdict

    from bench.config.registry import METHODS

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        available = list(METHODS.available())
    for name, lifter in available:
        kind = "probabilistic: H and K apply" if lifter.probabilistic else "deterministic"
        typer.echo(f"{name}: {lifter.title} ({kind})")
        for preset, content in lifter.presets.items():
            options = " ".join(f"{key}={value}" for key, value in asdict(content.config).items())
            typer.echo(f"  {preset:6} {options}")
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            typer.echo(f"warning: {warning.message}", err=True)
