"""A sweep before its start: its tasks, how long they should take, what they need, and what is in the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import torch

from bench.cli.options import SweepRequest
from bench.job.jobs import Job
from bench.job.pending import PendingWork, StoreContents
from bench.job.planning import Planner
from bench.job.task import Task, is_continued
from bench.measure.environment import environment
from bench.results.cost import Environment
from bench.results.record import Record
from bench.results.store import Store
from bench.sweep import run as sweep
from bench.sweep.device_speed import TYPICAL, Speed, measure_speed
from bench.sweep.dry_run import disk_problems, dry_run_lines, notes, tasks_of
from bench.sweep.estimates import Estimates
from bench.sweep.executors.base import Executor
from bench.sweep.forecast import Forecast
from bench.training.accelerator import check_precision
from models.errors import InputError, some_of
from models.text import MINILM, pretrained_encoder
from models.text.clip import WEIGHTS_VARIABLE
from reports.pdf import NO_LATEX, latex

SHORT_SECONDS = 60
"""The device is not measured for a sweep that should take less on a typical one."""


class SweepPlan:
    """A sweep before its start.

    Attributes:
        rounds: what is to be done in each.
        estimates: of its tasks.
        workers: that do tasks at once.
        problems: sentences that say what must be solved before the start.
        notes: what is worth knowing, and stops nothing.
        forecast: of all its tasks, to be told when they begin and end.
        new: the folder of the store, where there is none yet.
    """

    def __init__(
        self,
        rounds: Sequence[Sequence[Job]],
        planner: Planner,
        request: SweepRequest,
        store: Store,
        executor: Executor,
    ) -> None:
        """Plan a sweep of these rounds; each has the jobs of those before it too."""
        place, contents = sweep.measuring_device(executor, request.device), StoreContents(store)
        self.rounds = [PendingWork(jobs, store, request.device, place, contents) for jobs in rounds]
        tasks, self.workers, device = tasks_of(self.rounds[-1]), executor.slots, planner.blueprints.device
        self._estimate(tasks, store, planner, TYPICAL)
        if self.forecast.seconds_left() > SHORT_SECONDS and not executor.place:
            threads = request.threads or (1 if device.type == "cpu" and self.workers > 1 else None)
            self._estimate(tasks, store, planner, measure_speed(device, threads))
        self.problems = disk_problems(tasks, self.estimates, store.root, self.workers)
        of_a_device = -(-self.workers // max(1, len(executor.gpus)))
        told = [*notes(tasks, self.estimates, of_a_device), *text_notes(self.rounds[-1].left)]
        told += [] if latex() else [f"note: {NO_LATEX}"]
        self.notes = told if tasks else []
        if not executor.place:  # else it is another machine that computes
            self.problems += _precision_problems(tasks, device)
            here = environment(device, busy=0.0)
            self.notes += cost_notes(store.records(self.rounds[-1].finished).values(), here)
        self.new = None if store.root.exists() else store.root

    def _estimate(self, tasks: Sequence[Task], store: Store, planner: Planner, speed: Speed) -> None:
        self.estimates = Estimates(self.rounds[-1], store, planner.blueprints, speed)
        continued = partial(is_continued, store=store)
        self.forecast = Forecast(tasks, self.estimates.seconds, self.workers, is_continued=continued)

    def lines(self) -> Iterator[str]:
        """The plan in words."""
        if self.new:
            yield f"--store {self.new}: is new, nothing is done in it"
        yield from dry_run_lines(self.rounds, self.estimates, self.workers)
        yield from self.notes


def _precision_problems(tasks: Iterable[Task], device: torch.device) -> list[str]:
    """Why the device cannot do a training as precisely as is asked; none where it can."""
    asked = {one.training.precision for task in tasks if task.kind == "train" for one in task.experiments}
    try:
        for precision in asked:
            check_precision(device, precision)
    except InputError as error:
        return [str(error)]
    return []


def cost_notes(records: Iterable[Record], here: Environment) -> Iterator[str]:
    """How many finished runs have the cost of another place than the one asked for, and how to change that."""
    others = [record.environment for record in records if record.environment.place != here.place]
    if others:
        places = sorted({_in_words(other) for other in others})
        yield (
            f"note: costs of finished runs ({len(others)}) are of {some_of(places)}, and asked for is "
            f"{_in_words(here)}; `python -m bench runs delete` removes runs, which the same command then makes "
            "and measures anew"
        )


def _in_words(found: Environment) -> str:
    """Device, CPU where its name does not begin with it, and threads."""
    cpu = () if found.device.startswith(found.cpu) else (found.cpu,)
    return ", ".join([found.device, *cpu, f"{found.threads} threads"])


def text_notes(jobs: Iterable[Job]) -> Iterator[str]:
    """Which methods read their texts through MiniLM because CLIP is absent, and how to get CLIP."""
    if pretrained_encoder() != MINILM:
        return
    titles = {job.lifter.title for job in jobs if getattr(job.training.config, "text", None) == MINILM}
    if titles:
        yield (
            f"note: text encoder of {', '.join(sorted(titles))}: MiniLM, as CLIP's weights are absent; such "
            f"numbers do not belong beside the papers'. For CLIP, set {WEIGHTS_VARIABLE} to OpenAI's ViT-B-32.pt "
            "or to a Hugging Face folder (docs/gpu.md)"
        )
