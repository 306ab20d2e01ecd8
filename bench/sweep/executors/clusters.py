"""Executors on several machines: a Ray cluster, and SLURM through submitit. All see the store's folder."""

from __future__ import annotations

import importlib
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.job.task import Task, TaskStatus, run_task
from bench.sweep.executors import Ended, Executor
from models.errors import InputError

PASSED_ON = ("BENCH_CACHE", "LIFTING_BENCH_CLIP", "MLFLOW_TRACKING_URI")
"""Variables of the environment that workers on other machines need too."""

POLL_SECONDS = 0.5
"""Between two looks at SLURM's jobs."""

CODE = Path(__file__).parents[3]


class Ray(Executor):
    """Tasks on the Ray cluster at ``RAY_ADDRESS``, or on this machine alone where that is not set.

    What was on a node that dies begins again on another one.
    """

    place = "a Ray cluster"

    def __init__(self, root: Path, workers: int, threads: int, share: Mapping[str, Any]) -> None:
        """``share``: of each worker, as ``ray.remote`` takes it: num_cpus, num_gpus, resources, …"""
        super().__init__(root)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._ray = ray = _imported("ray", "ray")
        self.slots, self._threads = workers, threads
        self._ours = not ray.is_initialized()
        if self._ours:
            ray.init(logging_level="ERROR")
        variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(CODE), os.environ.get("PYTHONPATH"))))
        options = {"num_cpus": threads, **share, "max_retries": 0}
        try:
            self._run_task = ray.remote(_run_task).options(**options, runtime_env={"env_vars": variables})
        except (TypeError, ValueError) as error:
            raise InputError(f"--share: Ray does not take it ({error})") from None
        self._running: dict[Any, Task] = {}

    def submit(self, item: Task, attempt: int) -> None:
        self._running[self._run_task.remote(item, self.root, attempt, self._threads)] = item

    def collect(self, seconds: float) -> list[Ended]:
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        return [(self._running.pop(task), self._report(task)) for task in done]

    def _report(self, task: Any) -> TaskStatus:
        try:
            return self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError:
            return "crashed"

    def close(self) -> None:
        for task in self._running:
            self._ray.cancel(task, force=True)
        self._running = {}
        if self._ours:
            self._ray.shutdown()


class Slurm(Executor):
    """Jobs of SLURM through submitit, one for each item."""

    place = "SLURM"

    def __init__(self, root: Path, workers: int, threads: int, share: Mapping[str, Any]) -> None:
        """``share``: of each job, as submitit takes it: gpus_per_node, timeout_min, slurm_partition, …

        ``cluster=local`` among them runs the jobs on this machine without SLURM.
        """
        super().__init__(root)
        submitit = _imported("submitit", "slurm")
        given = {"cpus_per_task": threads, "timeout_min": 24 * 60, **share}
        self.slots, self._threads, self._cluster = workers, threads, given.pop("cluster", "slurm")
        self._executor = submitit.AutoExecutor(self.root / "slurm", cluster=self._cluster)
        try:
            self._executor.update_parameters(**given)
        except (NameError, TypeError, ValueError) as error:
            raise InputError(f"--share: submitit does not take it ({error})") from None
        self._uncompleted = importlib.import_module("submitit.core.utils").UncompletedJobError
        self._running: dict[str, tuple[Any, Task]] = {}

    def submit(self, item: Task, attempt: int) -> None:
        job = self._executor.submit(_run_task, item, self.root, attempt, self._threads)
        self._running[job.job_id] = job, item

    def collect(self, seconds: float) -> list[Ended]:
        ends = time.monotonic() + seconds
        while not (done := [name for name, (job, _) in self._running.items() if self._over(job)]):
            if time.monotonic() > ends:
                return []
            time.sleep(POLL_SECONDS)
        return [(item, self._report(job)) for job, item in map(self._running.pop, done)]

    def _over(self, job: Any) -> bool:
        """Whether a job has ended, also where SLURM keeps no accounts that submitit could ask."""
        if job.paths.result_pickle.exists():
            return True
        if self._cluster != "slurm":
            return job.done()
        asked = subprocess.run(
            ["squeue", "--noheader", "--format=%T", "--jobs", job.job_id], capture_output=True, text=True
        )
        return not asked.stdout.strip() and (asked.returncode == 0 or "Invalid job id" in asked.stderr)

    def _report(self, job: Any) -> TaskStatus:
        try:
            outcome, result = job._get_outcome_and_result()
        except self._uncompleted:
            return "crashed"
        if outcome == "error":
            raise RuntimeError(f"job {job.job_id}: {result}")
        return result

    def close(self) -> None:
        for job, _ in self._running.values():
            job.cancel()
        self._running = {}


def _run_task(item: Task, root: Path, attempt: int, threads: int) -> TaskStatus:
    """An item in a process of its own."""
    import torch

    torch.set_num_threads(threads)
    return run_task(item, root, attempt)


def _imported(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(
            f"--executor {extra}: {module} is not installed; run `pip install -c constraints.txt -e .[{extra}]`"
        ) from None
