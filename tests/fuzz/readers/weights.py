"""Weights: published checkpoints, imported ones, trained ones, and the state of an interrupted training."""

from __future__ import annotations

import json
import shutil
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from bench.job.weights import train_or_load
from bench.results.documents import write_sealed
from bench.results.store import Store
from bench.training import trainer
from models.checkpoints.torch_files import read_torch_file
from tests import GOLDEN
from tests.bench.toy import Toy
from tests.fuzz.mutations import (
    Canary,
    damaged_archive,
    damaged_bytes,
    damaged_value,
    hostile_pickle,
    odd_value,
)
from tests.fuzz.readers.stores import damage_json
from tests.fuzz.readers.toys import know_the_toys, toy_job
from tests.fuzz.worker import Reader, as_json, command

METHODS = ("mixste", "tcn", "d3dp")


def odd_tensor(tensor: Any, rng: Random) -> Any:
    """What a tensor of a checkpoint may become."""
    if not isinstance(tensor, torch.Tensor) or rng.random() < 0.1:
        return Canary() if rng.random() < 0.2 else odd_value(rng)
    made: tuple[Callable[[], Any], ...] = (
        lambda: tensor.reshape(-1), lambda: tensor[..., :1], lambda: tensor[:0], lambda: tensor.half(),
        lambda: tensor.double(),
        lambda: tensor.to(torch.int64), lambda: tensor.to(torch.complex64),
        lambda: tensor.t() if tensor.ndim == 2 else tensor[None],
        lambda: tensor * float("nan"), lambda: tensor / 0, lambda: torch.tensor(1.0), lambda: tensor.numpy(),
        lambda: tensor > 0,
        lambda: torch.nn.Parameter(tensor.float()), lambda: tensor.to_sparse(),
        lambda: tensor.to(torch.bfloat16),
        lambda: torch.zeros(1, dtype=tensor.dtype).expand(tensor.shape), lambda: np.float64(3.0),
        lambda: tensor.float().cfloat().conj(),
    )  # fmt: skip
    return rng.choice(made)()


def _make_checkpoint(folder: Path) -> None:
    for method in METHODS:
        shutil.copy(GOLDEN / "checkpoints" / f"{method}.bin", folder / f"{method}.bin")
    (folder / "chosen").write_text("mixste")


def _damage_checkpoint(folder: Path, rng: Random) -> None:
    method = rng.choice(METHODS)
    (folder / "chosen").write_text(method)
    path = folder / f"{method}.bin"
    content, action = read_torch_file(path), rng.randrange(12)
    if action < 4:
        path.write_bytes(damaged_archive(path.read_bytes(), rng))
        return
    if action < 9:
        wrappers = (
            {"state_dict": 1},
            {"model": 1},
            {"ema": 1, "model_pos": 1},
            {"model_pos": 1, "epoch": 3},
            [1, {}],
            1,
        )
        inner = damaged_value(content["model_pos"], rng, odd_tensor)
        content = rng.choice(wrappers)
        content = (
            {key: inner if value == 1 else value for key, value in content.items()}
            if isinstance(content, dict)
            else inner
        )
        content = [inner, {"state": {}}] if isinstance(content, list) else content
    old = rng.random() < 0.3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.save(content, path, _use_new_zipfile_serialization=not old)
        except Exception:  # what torch itself does not write
            path.write_bytes(hostile_pickle(rng))
    if old and action > 6:
        path.write_bytes(damaged_bytes(path.read_bytes(), rng))
    if action == 11:
        _with_a_hostile_pickle(path, rng)


def _with_a_hostile_pickle(path: Path, rng: Random) -> None:
    """Put one in place of the pickle of a torch file."""
    data = (
        damaged_archive(path.read_bytes(), rng, lambda content, _: hostile_pickle(rng))
        if _is_zip(path)
        else hostile_pickle(rng)
    )
    path.write_bytes(data)


def _is_zip(path: Path) -> bool:
    return path.read_bytes()[:2] == b"PK"


def _import_checkpoint(folder: Path) -> None:
    method = (folder / "chosen").read_text()
    command("import-checkpoint", folder / f"{method}.bin", "--method", method, "--out", folder / "out.safetensors")


def damage_safetensors(path: Path, rng: Random) -> None:
    """Spoil a safetensors file: bytes, its header as JSON, or its tensors."""
    data, action = path.read_bytes(), rng.randrange(3)
    (length,) = struct.unpack("<Q", data[:8])
    if action == 0:
        spoiled = damaged_bytes(data[: 8 + length], rng) + data[8 + length :]
        path.write_bytes(spoiled if rng.random() < 0.5 else damaged_bytes(data, rng))
        return
    header = json.loads(data[8 : 8 + length])
    if action == 1 and "__metadata__" in header:
        described = {k: _deeper(v, rng) for k, v in header["__metadata__"].items()}
        header["__metadata__"] = damaged_value(
            described, rng, lambda value, r: r.choice((value, str(odd_value(r)), odd_value(r)))
        )
    else:
        header = damaged_value(header, rng)
    text = as_json(header).encode("utf-8", "replace")
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def _deeper(text: str, rng: Random) -> str:
    """A text that holds JSON with one place in it changed."""
    try:
        content = json.loads(text)
    except ValueError:
        return text
    return as_json(damaged_value(content, rng)) if isinstance(content, dict) and rng.random() < 0.7 else text


def _make_imported(folder: Path) -> None:
    know_the_toys()
    command(
        "import-checkpoint",
        GOLDEN / "checkpoints" / "mixste.bin",
        "--method",
        "mixste",
        "--out",
        folder / "w.safetensors",
    )


def _run_imported(folder: Path) -> None:
    weights = f"training.weights={folder / 'w.safetensors'}"
    arguments = (
        "run",
        "--method",
        "mixste",
        "--data",
        "toy",
        "--set",
        weights,
        "--dry-run",
        "--executor",
        "local",
    )
    command(*arguments, "--store", folder / "store")


def _finished(folder: Path) -> Path:
    """Folder of the toy's training in a store, which is made or gone on with now."""
    job, store = toy_job(), Store(folder)
    train_or_load(job.training, job.training.build(), store, "cpu")
    return store.training(job.training_id)


class _InterruptionError(Exception):
    pass


def _make_trained(folder: Path) -> None:
    shutil.copy(_finished(folder / "store") / "weights.safetensors", folder / "right.safetensors")


def _make_interrupted(folder: Path) -> None:
    _make_trained(folder)
    shutil.rmtree(folder / "store")
    steps, real = iter(range(12)), Toy.training_loss

    def loss(self: Toy, batch: Any) -> Any:
        if next(steps, None) is None:
            raise _InterruptionError
        return real(self, batch)

    Toy.training_loss, often, trainer.SAVE_EVERY_SECONDS = loss, trainer.SAVE_EVERY_SECONDS, 0.0
    try:
        _finished(folder / "store")
    except _InterruptionError:
        pass
    finally:
        Toy.training_loss, trainer.SAVE_EVERY_SECONDS = real, often
    assert list((folder / "store").rglob("state.pt")), "the interrupted training kept no state"


def _damage_state(folder: Path, rng: Random) -> None:
    """Spoil the saved state under its seal, or put a hostile pickle in its place, also with a seal that fits.

    Another structure under a seal that fits is not tried: only this program writes one.
    """
    (path,) = (folder / "store").rglob("state.pt")
    seal, _, content = path.read_bytes().partition(b"\n")
    assert seal.startswith(b"lifting-bench"), "a state has a seal"
    action = rng.randrange(6)
    if action < 2:
        path.write_bytes(damaged_bytes(path.read_bytes(), rng))
        return
    path.write_bytes(content)
    if action == 2:
        path.write_bytes(damaged_archive(content, rng))
    elif action == 3:
        try:
            torch.save(damaged_value(torch.load(path, weights_only=True), rng, odd_tensor), path)
        except Exception:
            path.write_bytes(hostile_pickle(rng))
    else:
        _with_a_hostile_pickle(path, rng)
    if action < 5:
        path.write_bytes(seal + b"\n" + path.read_bytes())
    elif rng.random() < 0.5:
        write_sealed(path, path.read_bytes())


def _damage_trained(folder: Path, rng: Random) -> None:
    (place,) = (folder / "store").rglob("training.json")
    if rng.random() < 0.5:
        damage_json(place, rng)
    else:
        damage_safetensors(place.with_name("weights.safetensors"), rng)


def _train(folder: Path) -> None:
    """Whatever is damaged: refused, or the same weights as those of an undisturbed training."""
    found = load_file(_finished(folder / "store") / "weights.safetensors")
    right = load_file(folder / "right.safetensors")
    same = found.keys() == right.keys() and all(torch.equal(found[name], right[name]) for name in right)
    assert same, "other weights than those of an undisturbed training, without a word"


READERS = (
    Reader("checkpoint", _make_checkpoint, _damage_checkpoint, _import_checkpoint),
    Reader(
        "imported weights",
        _make_imported,
        lambda folder, rng: damage_safetensors(folder / "w.safetensors", rng),
        _run_imported,
    ),
    Reader("trained weights", _make_trained, _damage_trained, _train),
    Reader("training state", _make_interrupted, _damage_state, _train),
)
