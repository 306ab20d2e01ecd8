"""Many BVH files at once: read in parallel, and each only once, for what was read is kept in the user's cache."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Many
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, fields
from functools import partial
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_dir
from tqdm import tqdm

from bench.data.bvh.clip import Clip, Settings, read_clip
from bench.results.files import atomic
from models.errors import InputError

VERSION = 1  # raise it when the same file would give another clip
PARALLEL_BYTES = 64 * 2**20
"""Less than this is read faster by one process than it takes to start more."""


def read_clips(paths: Many[Path], settings: Settings) -> dict[Path, Clip | str]:
    """Every file as a clip, or what is wrong with it.

    A file is known again by its path, size and time of change. A damaged cache entry is made anew; where nothing
    can be written, nothing is kept.

    Args:
        paths: of BVH files.
        settings: of all of them.
    """
    folder = cache_folder()
    found: dict[Path, Clip | str] = {}
    for path in paths:
        kept = _load(_entry(folder, path, settings))
        if kept is not None:
            found[path] = kept
    missing = [path for path in paths if path not in found]
    read = partial(_read, folder=folder, settings=settings)
    with tqdm(total=len(missing), desc="read BVH files", unit="file", disable=None if missing else True) as bar:
        if sum(path.stat().st_size for path in missing) < PARALLEL_BYTES or (os.cpu_count() or 1) < 2:
            for path in missing:
                found[path] = read(path)
                bar.update()
        else:
            for path, clip in _read_in_parallel(missing, read):
                found[path] = clip
                bar.update()
    return {path: found[path] for path in paths}


def cache_folder() -> Path:
    """Where clips are kept: in ``$BENCH_CACHE``, or the user's cache folder."""
    return Path(os.environ.get("BENCH_CACHE") or user_cache_dir("lifting-bench")) / "bvh"


def _read_in_parallel(paths: Many[Path], read: Callable[[Path], Clip | str]) -> Iterator[tuple[Path, Clip | str]]:
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        try:
            yield from zip(paths, pool.map(read, paths, chunksize=4), strict=True)
        except BrokenProcessPool:
            raise InputError(
                "a process that read BVH files was ended from outside, perhaps for want of memory: run the same "
                "command again, it goes on with the files that are left"
            ) from None


def _read(path: Path, folder: Path, settings: Settings) -> Clip | str:
    try:
        clip = read_clip(path, settings)
    except InputError as error:
        return str(error)
    _store(_entry(folder, path, settings), clip)
    return clip


def _entry(folder: Path, path: Path, settings: Settings) -> Path:
    status = path.stat()
    content = [VERSION, str(path.resolve()), status.st_size, status.st_mtime_ns, asdict(settings)]
    return folder / f"{blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()}.npz"


def _load(path: Path) -> Clip | None:
    """What ``_store`` wrote; None if it is not there or not whole."""
    try:
        with np.load(path) as archive:
            world, told = archive["world"], json.loads(str(archive["told"]))
    except Exception:  # a damaged archive can raise almost anything, and is made anew
        return None
    listed: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in told.items()}
    known = {field.name for field in fields(Clip)}
    return Clip(world=world, **listed) if {"world", *listed} == known else None


def _store(path: Path, clip: Clip) -> None:
    told = {field.name: getattr(clip, field.name) for field in fields(Clip) if field.name != "world"}
    try:
        with atomic(path) as file:
            np.savez(file, world=clip.world, told=np.array(json.dumps(told)))
    except OSError:
        return
