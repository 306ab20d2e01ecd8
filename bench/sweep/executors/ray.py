"""Tasks on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.job.task import Task, TaskStatus
from bench.sweep.executors import cluster
from bench.sweep.executors.base import Ended, import_optional
from models.errors import InputError

PASSED_ON = ("BENCH_CACHE", "LIFTING_BENCH_CLIP", "MLFLOW_TRACKING_URI")
"""Variables of the environment that workers on other machines need too."""

CODE = Path(__file__).parents[3]


class Ray(cluster.ClusterExecutor):
    """Tasks on the Ray cluster at ``RAY_ADDRESS``, or on this machine alone where that is not set.

    What was on a node that dies begins again on another one.
    """

    place = "a Ray cluster"

    def __init__(self, root: Path, workers: int, threads: int, share: Mapping[str, Any]) -> None:
        """``share``: of each worker, as ``ray.remote`` takes it: num_cpus, num_gpus, resources, …"""
        super().__init__(root, workers, threads, share)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._ray = ray = import_optional("ray", "ray")
        self._started_here = not ray.is_initialized()
        if self._started_here:
            _connect(ray)
        variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(CODE), os.environ.get("PYTHONPATH"))))
        options = {"num_cpus": threads, **share, "max_retries": 0}
        try:
            remote = ray.remote(_run_in_worker)
            self._remote = remote.options(**options, runtime_env={"env_vars": variables})
        except (TypeError, ValueError) as error:
            raise InputError(f"--share: Ray does not take it ({error})") from None
        self._running: dict[Any, Task] = {}

    def submit(self, task: Task, attempt: int) -> None:
        self._running[self._remote.remote(task, self.root, attempt, self._threads)] = task

    def collect(self, seconds: float) -> list[Ended]:
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        return [(self._running.pop(handle), self._status(handle)) for handle in done]

    def _status(self, handle: Any) -> TaskStatus:
        try:
            return self._ray.get(handle)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError:
            return "crashed"

    def close(self) -> None:
        for handle in self._running:
            self._ray.cancel(handle, force=True)
        self._running = {}
        if self._started_here:
            self._ray.shutdown()


def _run_in_worker(task: Task, root: Path, attempt: int, threads: int) -> TaskStatus:
    """Do a task in a process that Ray gives further ones, unless its device is broken: then it ends."""
    status = cluster.run_with_threads(task, root, attempt, threads)
    if status == "crashed":
        os._exit(1)
    return status


def _connect(ray: Any) -> None:
    """Connect to the cluster, or start one on this machine.

    Raises:
        InputError: it does not answer.
    """
    try:
        ray.init(logging_level="ERROR")
    except (OSError, RuntimeError, ValueError) as error:
        place = os.environ.get("RAY_ADDRESS", "on this machine")
        reason = str(error).strip().split("\n")[0][:200]
        raise InputError(
            f"--executor ray: the cluster {place} cannot be reached ({reason}); check RAY_ADDRESS and `ray status`"
        ) from None
