"""What data sets of modelled people have in common: takes are generated once and kept in the user's cache."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence as Several
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from bench.data.cache import cache_folder, load_arrays, store_arrays
from bench.data.human36m import cameras as human36m_cameras
from bench.data.packing import Recording, pack
from bench.data.reader import Reader
from bench.data.sequence import Dataset, Sequence
from bench.data.synthetic.actions import ACTIONS, FPS, make_motion
from bench.data.synthetic.bodies import Body
from bench.data.synthetic.detector import detect
from models.skeleton import HUMAN36M

Name = tuple[str, str, int]  # subject, action, take


class Person(NamedTuple):
    """Who moves: the body, the numbers that seed what the person does, and whose calibration the cameras have."""

    body: Body
    population: int
    number: int
    rig: str


class ModelledPeople(Reader):
    """A data set without files: people in motion, their cameras and detections, the same to the byte each time.

    Attributes:
        label: what tables call it.
        version: raise it when any number changes.
    """

    skeleton = HUMAN36M
    detections = ("gt", "cpn")
    label: ClassVar[str]
    version: ClassVar[int]

    @abstractmethod
    def schedule(self) -> dict[Name, int]:
        """Every take, in order, and its frames."""

    @abstractmethod
    def person(self, subject: str) -> Person:
        """The person called ``subject``."""

    def cache_file(self) -> Path:
        """Where the generated set is kept: in ``$BENCH_CACHE``, or the user's cache folder."""
        return cache_folder() / f"{self.name}-v{self.version}-seed0.npz"

    def read(self, root: Path, detections: str) -> Dataset:
        """The data set, generated if it is not in the cache.

        ``detections``: "gt", exact projections, or "cpn", the same with the errors of a detector.
        """
        takes = self._takes()
        train, test = (
            self._sequences(subjects, takes, detections) for subjects in (self.train_subjects, self.test_subjects)
        )
        return self.dataset(train, test, label=self.label, detections=detections)

    def generate(self, name: Name, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """One take, the same whatever else is generated.

        Returns:
            Joints ``[T, 17, 3]`` float32 metres, world, and detections ``[T, 4, 17, 2]`` float32 pixels in the
            four cameras.
        """
        subject, action, take = name
        who = self.person(subject)
        place = [who.number, list(ACTIONS).index(action), take]
        moves = np.random.default_rng([who.population, 2, *place])
        world = make_motion(action, take % 2, frames, who.body, moves)
        views = [
            detect(
                np.random.default_rng([who.population, 3, *place, number]), camera.pixels(camera.from_world(world))
            )
            for number, camera in enumerate(human36m_cameras.cameras(who.rig))
        ]
        return world.astype(np.float32), _rounded(np.stack(views, axis=1)).astype(np.float32)

    def _sequences(
        self, subjects: Several[str], takes: dict[Name, tuple[np.ndarray, np.ndarray]], detections: str
    ) -> tuple[Sequence, ...]:
        recordings = []
        for (subject, action, take), (world, noisy) in takes.items():
            if subject not in subjects:
                continue
            cameras = human36m_cameras.cameras(self.person(subject).rig)
            poses = world.astype(np.float64)
            if detections == "gt":
                pixels = tuple(_rounded(camera.pixels(camera.from_world(poses))) for camera in cameras)
            else:
                pixels = tuple(noisy.swapaxes(0, 1))
            recordings.append(Recording(subject, f"{action} {take}" if take else action, poses, pixels, cameras))
        return pack(recordings, float(FPS)) if recordings else ()

    def _takes(self) -> dict[Name, tuple[np.ndarray, np.ndarray]]:
        """Joints and detections of every take, as ``generate`` gives them; from the cache where it has them."""
        path, frames = self.cache_file(), self.schedule()
        arrays = load_arrays(path) or {}
        if any(len(arrays.get(part, ())) != sum(frames.values()) for part in ("world", "noisy")):
            made = [self.generate(name, count) for name, count in frames.items()]
            world, noisy = (np.concatenate(parts) for parts in zip(*made, strict=True))
            arrays = {"world": world, "noisy": noisy}
            store_arrays(path, **arrays)
        ends = np.cumsum(list(frames.values()))[:-1]
        parts = (np.split(arrays[part], ends) for part in ("world", "noisy"))
        return dict(zip(frames, zip(*parts, strict=True), strict=True))


def _rounded(pixels: np.ndarray) -> np.ndarray:
    """Pixels to 1/1024, so that the last bits of a processor's arithmetic do not show."""
    return np.round(pixels * 1024) / 1024
