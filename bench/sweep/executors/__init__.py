"""Where tasks are done: in this process, in worker processes on this machine, or on a cluster.

The executors are named in ``bench.config.registry.EXECUTORS``; each is one file here, or of another package.
"""

from __future__ import annotations

from bench.config.parsing import suggestion
from bench.config.registry import EXECUTORS
from bench.sweep.executors.base import Executor, Request
from models.errors import InputError


def executor_for(name: str | None, request: Request) -> Executor:
    """The executor that the command line asks for; without a name, this process for one worker, else processes.

    Raises:
        InputError: there is no such device or executor, or it cannot be had here.
    """
    if name is None:
        name = "local" if request.workers_here() == 1 else "processes"
    elif name not in EXECUTORS.names():
        raise InputError(f"--executor {name}: is unknown; {suggestion(name, EXECUTORS.names())}")
    kind = EXECUTORS.load(name)
    if not (isinstance(kind, type) and issubclass(kind, Executor)):
        raise InputError(f"--executor {name}: is {kind!r}, which is no subclass of {Executor.__module__}.Executor")
    return kind.from_request(request)
