"""Tasks as jobs of SLURM, through submitit."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.job.task import Task, TaskStatus
from bench.sweep.executors import cluster
from bench.sweep.executors.base import Ended, import_optional
from models.errors import InputError

POLL_SECONDS = 0.5
"""Seconds between two questions whether SLURM's jobs have ended."""

RESULT_SECONDS = 15.0
"""Most seconds that the result of a job that has ended is waited for."""

TIMEOUT_MINUTES = 24 * 60
"""Minutes that a job may take unless the share says otherwise."""

MOST_TIMEOUTS = 100
"""Most times that a job is begun again because its time was over; a training goes on from what it has saved."""


class Slurm(cluster.ClusterExecutor):
    """Jobs of SLURM through submitit, one for each task."""

    place = "SLURM"

    def __init__(self, root: Path, workers: int, threads: int, share: Mapping[str, Any]) -> None:
        """``share``: of each job, as submitit takes it: gpus_per_node, timeout_min, slurm_partition, …

        ``cluster=local`` among them runs the jobs on this machine without SLURM.
        """
        super().__init__(root, workers, threads, share)
        self._given = {"cpus_per_task": threads, "timeout_min": TIMEOUT_MINUTES, **share}
        self._cluster = self._given.pop("cluster", "slurm")
        self._executor: Any = None
        with TemporaryDirectory() as folder:  # complains early, and makes nothing in the store
            self._connected(Path(folder))
        self._running: dict[str, tuple[Any, Task]] = {}

    def _connected(self, folder: Path) -> Any:
        """submitit's executor with the share; it makes its folder at once.

        Raises:
            InputError: there is no such cluster here, or the share is not taken.
        """
        submitit = import_optional("submitit", "slurm")
        try:
            executor = submitit.AutoExecutor(folder, cluster=self._cluster, slurm_max_num_timeout=MOST_TIMEOUTS)
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"--executor slurm: {_first_line(error)}; start it on a machine of the cluster, or try it with "
                "--share cluster=local"
            ) from None
        try:
            executor.update_parameters(**self._given)
        except (NameError, TypeError, ValueError) as error:
            raise InputError(f"--share: submitit does not take it ({_first_line(error)})") from None
        return executor

    def submit(self, task: Task, attempt: int) -> None:
        if self._executor is None:
            self._executor = self._connected(self.root / "slurm")
        job = self._executor.submit(Requeued(), task, self.root, attempt, self._threads)
        self._running[job.job_id] = job, task

    def collect(self, seconds: float) -> list[Ended]:
        ends = time.monotonic() + seconds
        while not (done := [name for name, (job, _) in self._running.items() if self._over(job)]):
            if time.monotonic() > ends:
                return []
            time.sleep(POLL_SECONDS)
        return [(task, self._status(job)) for job, task in map(self._running.pop, done)]

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

    def _status(self, job: Any) -> TaskStatus:
        """How a job that is over ended. One without a result was killed; on a slow disk the result comes late.

        Raises:
            OSError, InputError: that the job met.
        """
        ends = time.monotonic() + RESULT_SECONDS
        while not job.paths.result_pickle.exists():
            with suppress(OSError):  # a change of the folder makes NFS look again what is in it
                job.paths.folder.chmod(job.paths.folder.stat().st_mode)
            if time.monotonic() > ends:
                return "crashed"
            time.sleep(POLL_SECONDS)
        result: TaskStatus | Exception = job.result()
        if isinstance(result, Exception):
            raise result
        return result

    def close(self) -> None:
        for job, _ in self._running.values():
            job.cancel()
        self._running = {}


class Requeued:
    """Does a task; SLURM begins it again where its machine is taken away or its time is over."""

    def __call__(self, task: Task, root: Path, attempt: int, threads: int) -> TaskStatus | Exception:
        """How the try ended; an error of input or of the disk is returned: submitit would make it a traceback."""
        try:
            return cluster.run_with_threads(task, root, attempt, threads)
        except (OSError, InputError) as error:
            return error

    def checkpoint(self, *arguments: Any) -> Any:
        """What submitit begins again."""
        return import_optional("submitit", "slurm").helpers.DelayedSubmission(self, *arguments)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200]
