"""The synthetic data set, which needs no files: people in motion, generated once and kept in the user's cache.

Nothing is downloaded. Seven subjects with the split of Human3.6M, its fifteen actions, two takes each, 50 Hz, and
the published calibration of its four cameras. The motion is modelled, not recorded: see docs/synthetic-data.md.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.data.cache import cache_folder, load_arrays, store_arrays
from bench.data.human36m import cameras as human36m_cameras
from bench.data.human36m.reader import Human36M
from bench.data.packing import Recording, pack
from bench.data.reader import Reader
from bench.data.sequence import Dataset, Sequence
from bench.data.synthetic.actions import ACTIONS, FPS, make_motion
from bench.data.synthetic.bodies import STATURE, body
from bench.data.synthetic.detector import detect
from models.skeleton import HUMAN36M

VERSION = 2  # raise it when any number changes
SEED = 0
LENGTHS = ((150, 290), (110, 160))  # frames of the first and the second take, least and greatest

Name = tuple[str, str, int]


class Synthetic(Reader):
    """Modelled motion of seven people, with the subjects and cameras of Human3.6M."""

    name = "synthetic"
    skeleton = HUMAN36M
    detections = ("gt", "cpn")
    train_subjects = Human36M.train_subjects
    test_subjects = Human36M.test_subjects

    def read(self, root: Path, detections: str) -> Dataset:
        """The data set, generated if it is not in the cache.

        Args:
            root: not used; there are no files.
            detections: "gt", exact projections, or "cpn", the same with the errors of a detector.
        """
        world, noisy = _takes()
        train, test = (
            _sequences(subjects, world, noisy, detections)
            for subjects in (self.train_subjects, self.test_subjects)
        )
        return self.dataset(train, test, label="synthetic", detections=detections)


def population(subject: str) -> int:
    """The seed that a subject, his motion and the errors of his detections are drawn with.

    Test subjects have had another one than training subjects since version 2: those of version 1 were looked at
    while sizes and learning rates were chosen.
    """
    return SEED + (subject in Synthetic.test_subjects)


def cache_file() -> Path:
    """Where the generated set is kept: in ``$BENCH_CACHE``, or the user's cache folder."""
    return cache_folder() / f"synthetic-v{VERSION}-seed{SEED}.npz"


def schedule() -> dict[Name, int]:
    """(subject, action, take) of every take, in order, and its frames."""
    frames = {}
    for number, subject in enumerate(STATURE):
        rng = np.random.default_rng([population(subject), 4, number])
        for action in ACTIONS:
            for take, (least, most) in enumerate(LENGTHS):
                frames[subject, action, take] = int(rng.integers(least, most))
    return frames


def generate(name: Name, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """One take, the same whatever else is generated.

    Returns:
        Joints ``[T, 17, 3]`` float32 metres, world, and detections ``[T, 4, 17, 2]`` float32 pixels in the four
        cameras.
    """
    subject, action, take = name
    drawn = population(subject)
    world = make_motion(subject, action, take, frames, body(subject, drawn), drawn)
    place = [drawn, 3, list(STATURE).index(subject), list(ACTIONS).index(action), take]
    views = [
        detect(np.random.default_rng([*place, number]), camera.pixels(camera.from_world(world)))
        for number, camera in enumerate(human36m_cameras.cameras(subject))
    ]
    return world.astype(np.float32), _rounded(np.stack(views, axis=1)).astype(np.float32)


def _sequences(
    subjects: tuple[str, ...], world: dict[Name, np.ndarray], noisy: dict[Name, np.ndarray], detections: str
) -> tuple[Sequence, ...]:
    takes = []
    for name in (name for name in world if name[0] in subjects):
        subject, action, take = name
        cameras = human36m_cameras.cameras(subject)
        poses = world[name].astype(np.float64)
        if detections == "gt":
            pixels = tuple(_rounded(camera.pixels(camera.from_world(poses))) for camera in cameras)
        else:
            pixels = tuple(noisy[name][:, number] for number in range(len(cameras)))
        takes.append(Recording(subject, f"{action} {take}" if take else action, poses, pixels, cameras))
    return pack(takes, float(FPS))


def _rounded(pixels: np.ndarray) -> np.ndarray:
    """Pixels to 1/1024, so that the last bits of a processor's arithmetic do not show."""
    return np.round(pixels * 1024) / 1024


def _takes() -> tuple[dict[Name, np.ndarray], dict[Name, np.ndarray]]:
    """Joints and detections of every take, as ``generate`` gives them; from the cache where it has them."""
    path, frames = cache_file(), schedule()
    kept = load_arrays(path)
    if kept is not None and all(len(kept.get(part, ())) == sum(frames.values()) for part in ("world", "noisy")):
        world, noisy = kept["world"], kept["noisy"]
    else:
        made = [generate(name, count) for name, count in frames.items()]
        world, noisy = (np.concatenate(parts) for parts in zip(*made, strict=True))
        store_arrays(path, world=world, noisy=noisy)
    ends = np.cumsum(list(frames.values()))[:-1]
    world_takes, noisy_takes = (np.split(array, ends) for array in (world, noisy))
    return dict(zip(frames, world_takes, strict=True)), dict(zip(frames, noisy_takes, strict=True))
