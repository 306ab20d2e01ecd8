"""What the tables of the paper need on a GPU: `python -m tests.speed.operations` writes them into docs/gpu.md.

The plan is that of `ablate NAME --preset paper --data human36m`, on sequences without values that are as long as
those of the complete set. Operations and memory are counted on PyTorch's device ``meta``, without a GPU; hours are
a forecast from them, for a GPU that sustains ``SUSTAINED`` operations a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from ablations.declared import read
from bench.config.registry import METHODS
from bench.data.human36m.reader import Human36M
from bench.data.sequence import Dataset, Sequence
from bench.job.blueprint import Blueprints, step_windows
from bench.job.data_cache import DataCache
from bench.job.jobs import Job, Training
from bench.job.pending import PendingWork, StoreContents
from bench.job.resolve import resolve
from bench.job.task import Task
from bench.results.store import Store
from bench.sweep.device_speed import Speed
from bench.sweep.estimates import Estimates
from models.skeleton import HUMAN36M
from models.text import clip
from models.text.tiny import tiny_tokens
from models.text.tower import TextTower, TowerSize
from tests import ROOT
from tests.parity.fidelity import with_table

PAGE = ROOT / "docs" / "gpu.md"

SUSTAINED = 20e12

TAKES, CAMERAS = 30, 4
"""Takes and cameras of each subject; all takes are taken to be equally long here."""

EVERYTHING = "methods=complete"
TABLES = ("methods=core", "methods=all", EVERYTHING)
FURTHER = ("blocks", "prompts", "sampling", "counterfactuals")
"""What they take where ``EVERYTHING`` is finished."""

METHODS_HEAD = """\
| method | training, 10¹⁵ operations | hours | evaluation, hours | weights and Adam | with a training step |
|---|---|---|---|---|---|"""

TABLES_HEAD = """\
| `ablate` | trainings | first stages | GPU hours |
|---|---|---|---|"""


class Planned:
    """What a declared ablation does at the ``paper`` size on Human3.6M, with one seed.

    Attributes:
        jobs, trainings: of the ablation, by id.
        tasks: its trainings and evaluations, without what another one has done before.
    """

    def __init__(self, name: str, blueprints: Blueprints, done: Planned | None = None) -> None:
        """``blueprints`` may be shared by several plans: each method is then built and counted once."""
        self._blueprints = blueprints
        self.jobs = {job.id: job for job in jobs_of(name)}
        self.trainings = {one.id: one for job in self.jobs.values() for one in job.training.chain}
        nowhere = Store(Path("/nonexistent"))
        contents = StoreContents(nowhere)
        contents.finished |= done.jobs.keys() if done else set()
        pending = PendingWork(self.jobs.values(), nowhere, "cuda", "a GPU", contents)
        trained = done.trainings.keys() if done else set()
        self.tasks = [task for task in pending.tasks() if task.kind != "train" or not trained >= set(task.ids)]
        speed = Speed(per_call=0.0, per_byte=0.0, per_flop=1 / SUSTAINED)
        self._estimates = Estimates(pending, nowhere, blueprints, speed)

    def hours(self, tasks: Iterable[Task]) -> float:
        """Hours that tasks take on the GPU that is assumed."""
        total = 0.0
        for task in tasks:
            seconds = self._estimates.seconds(task)
            assert seconds is not None, f"{task.title}: time unknown"
            total += seconds / 3600
        return total

    def line(self) -> str:
        """Trainings of methods that learn by steps, first stages of them, and hours with evaluations."""
        trained = {name for task in self.tasks if task.kind == "train" for name in task.ids}
        learned = {name for name in trained if self.trainings[name].recipe.epochs}
        own = {job.training_id for job in self.jobs.values()} & learned
        return f"{len(own)} | {len(learned - own)} | {self.hours(self.tasks):,.0f} |"

    def methods(self) -> Iterator[str]:
        """A line for each method, of its first job: operations in units of 10¹⁵, hours, and memory."""
        first = {job.lifter: job for job in reversed(self.jobs.values())}
        for job in self.jobs.values():
            if job.training.recipe.epochs and job is first[job.lifter]:
                yield self._line(job)

    def _line(self, job: Job) -> str:
        chain = job.training.chain
        ids = {training.id for training in chain}
        training = self.hours(task for task in self.tasks if task.kind == "train" and ids & set(task.ids))
        evaluation = self.hours(task for task in self.tasks if task.kind == "evaluate" and job.id in task.ids)
        memory = [self._memory(one) for one in chain]
        held, needed = (max(sizes) for sizes in zip(*memory, strict=True))
        operations = training * 3600 * SUSTAINED / 1e15
        cells = (f"{operations:,.0f}", f"{training:,.1f}", f"{evaluation:,.1f}", f"{held / 1e6:,.0f} MB")
        return f"| {job.lifter.title} | {' | '.join(cells)} | {needed / 1e9:.1f} GB |"

    def _memory(self, training: Training) -> tuple[int, int]:
        """Bytes of weights and optimiser, and with a training step."""
        lifter = self._blueprints.lifter(training)
        assert lifter is not None, training.title
        counts = self._blueprints.step(training, step_windows(training, lifter))
        assert counts is not None, training.title
        state = self._blueprints.size(lifter).state
        return state, state + counts.peak


class Lengths(DataCache):
    """Human3.6M without values, instead of files."""

    def __init__(self) -> None:
        super().__init__()
        subjects = (Human36M.train_subjects, Human36M.test_subjects)
        self._train, self._test = map(made_up, subjects, Human36M.complete)

    def load(self, name: str, root: Path | None, detections: str, options: Mapping[str, Any]) -> Dataset:
        fingerprint = f"no values, {detections}"
        return Dataset(name, "Human3.6M", detections, HUMAN36M, self._train, self._test, fingerprint)


def made_up(subjects: tuple[str, ...], frames: int) -> tuple[Sequence, ...]:
    """Takes of these subjects in all cameras, which have so many frames together; no memory is taken for them."""
    each = round(frames / (len(subjects) * TAKES * CAMERAS))

    joints = len(HUMAN36M.joints)
    pose_2d, pose_3d, trajectory = (
        np.broadcast_to(np.float32(0), (each, *shape)) for shape in ((joints, 2), (joints, 3), (3,))
    )
    return tuple(
        Sequence(
            subject=subject,
            action=f"Walking {take}",
            camera=str(camera),
            fps=50.0,
            pose_2d=pose_2d,
            pose_3d=pose_3d,
            trajectory=trajectory,
            intrinsics=np.zeros(9, np.float32),
            width=1000,
            height=1000,
        )
        for subject in subjects
        for take in range(TAKES)
        for camera in range(CAMERAS)
    )


LENGTHS = Lengths()


@cache
def jobs_of(name: str) -> list[Job]:
    """The experiments of a declared ablation, of the suite's own methods."""
    changes = [("method.preset", "paper"), ("data.name", Human36M.name), ("training.seed", 0)]
    experiments = read(name).expand(changes, full=True)
    return [resolve(one, LENGTHS) for one in experiments if one.method.name in METHODS.own]


def with_clip() -> AbstractContextManager[object]:
    """CLIP as if it was installed: its size decides here, and not the values of its weights."""
    tower = TextTower("CLIP", TowerSize(), tiny_tokens)
    return patch.multiple(clip, find_weights=lambda: Path("ViT-B-32.pt"), load_clip=lambda path: tower)


def tables() -> dict[str, str]:
    """The tables of the page, by the name of their place."""
    with with_clip():
        blueprints = Blueprints(None)
        everything = Planned(EVERYTHING, blueprints)
        methods = [METHODS_HEAD, *Planned("methods=all", blueprints).methods()]
        lines = [TABLES_HEAD]
        lines += [f"| `{name}` | {Planned(name, blueprints).line()}" for name in TABLES]
        lines += [f"| `{name}`, beyond that | {Planned(name, blueprints, everything).line()}" for name in FURTHER]
    return {"methods": "\n".join(methods), "tables": "\n".join(lines)}


def main() -> None:
    """Write the page."""
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables().items():
        text = with_table(text, name, table)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
