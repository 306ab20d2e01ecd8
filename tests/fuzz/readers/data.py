"""Data sets: archives in Human3.6M's and MPI-INF-3DHP's layout, and BVH files, through ``data describe``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from bench.data.human36m.cameras import SUBJECTS
from tests.bench.data.bvh import bvh_text
from tests.bench.data.human36m.test_reader import Folder, save
from tests.bench.data.mpi_inf_3dhp.mpi_files import contents, write
from tests.fuzz.mutations import (
    damaged_archive,
    damaged_array_file,
    damaged_bytes,
    damaged_text,
    damaged_value,
    hostile_pickle,
    odd_array,
)
from tests.fuzz.worker import Reader, command


def _make_human36m(folder: Path) -> None:
    small = Folder(folder)
    for kind in (small.poses, small.keypoints):
        for subject in SUBJECTS:
            for action, views in list(kind[subject].items()):
                kind[subject][action] = views[:1] if kind is small.poses else [view[:1] for view in views]
    small.read()


def _make_mpi(folder: Path) -> None:
    write(folder, "annot3", contents("annot3", frames=6, views=1))


def _damage_archive(folder: Path, rng: Random) -> None:
    path = rng.choice(sorted(folder.glob("*.npz")))
    if rng.random() < 0.5:
        path.write_bytes(damaged_archive(path.read_bytes(), rng, damaged_array_file))
        return
    with np.load(path, allow_pickle=True) as archive:  # our own file
        (key,) = (name for name in archive.files if name not in ("metadata", "keypoints_symmetry"))
        value = archive[key].item()
    if rng.random() < 0.05:
        key = rng.choice(("data", "positions_3d", "positions_2d", "", "a/b", "é"))
    try:
        save(path, key, damaged_value(value, rng, odd_array))
    except (UnicodeEncodeError, ValueError):  # what NumPy itself does not write
        path.write_bytes(hostile_pickle(rng))


ODD_WORDS = (
    "Zrotation", "Xposition", "Wrotation", "CHANNELS", "OFFSET", "End", "Site", "{", "}", "{ {", "JOINT",
    "ROOT", "HIERARCHY",
    "MOTION", "Frames:", "Frame", "Time:", "1,5", "1.#QNAN", "-", "+", "1e", "0x10", "1_0", "١", "--1", "1-2",
    "NaN", "inf",
)  # fmt: skip
ONE_JOINT = "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\n"
EXTREME_FILES: tuple[Callable[[], str], ...] = (
    lambda: "HIERARCHY\n" + "JOINT a\n{\n" * 20_000,
    lambda: f"{ONE_JOINT}CHANNELS 1 Xrotation\n}}\nMOTION\nFrames: 50000\nFrame Time: 1.0\n" + "0\n" * 50_000,
    lambda: f"{ONE_JOINT}CHANNELS 0\n}}\nMOTION\nFrames: 1000000000\nFrame Time: 0.01\n",
    lambda: f"{ONE_JOINT}CHANNELS 1000000000 Xrotation\n}}\nMOTION\nFrames: 1\nFrame Time: 1\n0\n",
    lambda: "x" * 3_000_000,
    lambda: "{" * 100_000 + "}" * 100_000,
    lambda: "\0" * 10_000,
)


def _make_bvh(folder: Path) -> None:
    for subject in ("01", "02"):
        (folder / subject).mkdir()
        (folder / subject / f"{subject}_01.bvh").write_text(bvh_text(frames=12, seed=int(subject)))
    (folder / "index.txt").write_text("Subject #1 (climb)\n01_01\twalk, veer left\n02_01 run/jog\n")


def _damage_bvh(folder: Path, rng: Random) -> None:
    path = rng.choice(sorted(folder.glob("*/*.bvh")))
    text, action = path.read_text(), rng.randrange(40)
    if action < len(EXTREME_FILES):
        path.write_text(EXTREME_FILES[action]())
    elif action < 14:
        path.write_bytes(damaged_bytes(text.encode(), rng))
    elif action == 14:
        encoding = rng.choice(("utf-16", "utf-32", "utf-8-sig", "cp037"))
        path.write_bytes(text.encode(encoding))
    elif action < 18:
        path.write_text(damaged_text(text, rng, ODD_WORDS), "utf-8", "surrogatepass")
    elif action < 28:  # in the description of the body, where most words are
        body, motion, rows = text.partition("MOTION")
        path.write_text(damaged_text(body, rng, ODD_WORDS) + motion + rows, "utf-8", "surrogatepass")
    elif action < 32:
        body, motion, rows = text.partition("Frames:")
        head, seconds, rest = (motion + rows).partition("0.01")
        path.write_text(body + damaged_text(head + seconds, rng) + rest, "utf-8", "surrogatepass")
    elif action == 32:
        odd = rng.choice(("a\x1b[31m", "a\nb", "ü", "x" * 200, "%s", "-rf"))
        (path.parent / odd).mkdir(exist_ok=True)
        path.rename(path.parent / odd / f"{odd}.bvh")
    elif action == 33:
        index = folder / "index.txt"
        index.write_text(damaged_text(index.read_text(), rng), "utf-8", "surrogatepass")
    else:
        scale, fps = rng.choice((1e-6, 0.01, 1, 1e3, 1e30, 0.0, float("nan"))), rng.choice((1e-3, 1, 25, 1e4, 1e9))
        path.write_text(bvh_text(frames=rng.choice((1, 2, 12)), scale=scale, fps=fps))


def _describe(name: str, *more: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        command("data", "describe", name, "--data-root", folder, *more)

    return read


def _read_bvh(folder: Path) -> None:
    index: Any = folder / "index.txt"
    command("data", "describe", "bvh", "--data-root", folder, "--detections", "gt", "--set", f"index={index}")


READERS = (
    Reader("human36m", _make_human36m, _damage_archive, _describe("human36m")),
    Reader(
        "mpi_inf_3dhp",
        _make_mpi,
        _damage_archive,
        _describe("mpi_inf_3dhp", "--detections", "gt", "--set", "protocol=annot3"),
    ),
    Reader("bvh", _make_bvh, _damage_bvh, _read_bvh),
)
