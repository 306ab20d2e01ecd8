"""Many BVH files at once: read in parallel, and each only once, for what was read is kept in the user's cache."""

from __future__ import annotations

import json
import os
from collections import abc
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from functools import partial
from hashlib import blake2b
from multiprocessing import current_process, get_context
from pathlib import Path

from tqdm import tqdm

from bench.data.bvh.clip import Clip, Settings, read_clip
from bench.data.cache import cache_folder, load_arrays, store_arrays
from models.errors import InputError

VERSION = 4  # raise it when the same file would give another clip
PARALLEL_BYTES = 64 * 2**20  # less than this is read faster by one process than it takes to start more


def read_clips(paths: abc.Sequence[Path], settings: Settings) -> dict[Path, Clip | str]:
    """Every file as a clip, or what is wrong with it.

    A file is known again by its path, size and time of change.

    Raises:
        InputError: a process that reads files was killed.
    """
    folder = cache_folder() / "bvh"
    new = [path for path in paths if not _entry(folder, path, settings).is_file()]
    read = partial(_read, folder=folder, settings=settings)
    bar = partial(tqdm, total=len(paths), desc="read BVH files", unit="file", disable=None if new else True)
    alone = (os.cpu_count() or 1) < 2 or current_process().daemon  # a worker may start no processes of its own
    if alone or sum(path.stat().st_size for path in new) < PARALLEL_BYTES:
        return dict(zip(paths, bar(map(read, paths)), strict=True))
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        try:
            return dict(zip(paths, bar(pool.map(read, paths, chunksize=4)), strict=True))
        except BrokenProcessPool:
            raise InputError(
                "a process that read BVH files was ended from outside, perhaps because memory ran out: run the "
                "same command again, it goes on with the files that are left"
            ) from None


def _read(path: Path, folder: Path, settings: Settings) -> Clip | str:
    entry = _entry(folder, path, settings)
    kept = load_arrays(entry)
    if kept is not None:
        found = json.loads(str(kept["found"]))
        return Clip(kept["world"], **found | {key: tuple(found[key]) for key in ("guessed", "remarks")})
    try:
        clip = read_clip(path, settings)
    except InputError as error:
        return str(error)
    found = {key: value for key, value in vars(clip).items() if key != "world"}
    store_arrays(entry, world=clip.world, found=json.dumps(found))
    return clip


def _entry(folder: Path, path: Path, settings: Settings) -> Path:
    """Where a file's clip is kept."""
    status = path.stat()
    content = [VERSION, str(path.resolve()), status.st_size, status.st_mtime_ns, asdict(settings)]
    return folder / f"{blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()}.npz"
