"""In which order tasks are begun, and how much work that is."""

import itertools
import sys
import time

import pytest
from filelock import FileLock, Timeout

from bench.job.task import Task
from bench.results import locks
from bench.results.locks import Holder
from bench.results.store import Seconds, Store
from bench.sweep import tasks
from bench.sweep.executors.base import Executor
from bench.sweep.tasks import in_order, run_tasks


def task(name, needs=(), kind="train", size=1.0):
    return Task(kind, name, (name,), (), frozenset(needs), name, size, name, "cpu")


def listed(seconds):
    """A training and its evaluation for each number of seconds, which both take."""
    return [
        one for n in range(len(seconds)) for one in (task(str(n)), task(str(n), {f"train-{n}"}, kind="evaluate"))
    ]


@pytest.fixture
def known(tmp_path):
    """Make a store that knows how long tasks take."""

    def store(seconds):
        made = Store(tmp_path / "store")
        for n, taken in enumerate(seconds):
            made.times.put(str(n), Seconds(seconds=taken))
        return made

    return store


def test_tasks_keep_their_order_but_a_long_one_at_the_end_comes_earlier(known):
    seconds = [10] * 8 + [60]
    tasks = [one for one in listed(seconds) if one.kind == "train"]
    names = [one.id for one in in_order(tasks, known(seconds), slots=2)]
    assert names == ["0", "1", "2", "8", "3", "4", "5", "6", "7"], (
        "it begins when as much is left for the other slot"
    )
    assert in_order(tasks, known(seconds), slots=1) == tasks


def test_trainings_of_unknown_length_keep_their_order(tmp_path):
    ordered = in_order(listed([1] * 5), Store(tmp_path), slots=2)
    assert [one.id for one in ordered if one.kind == "train"] == ["0", "1", "2", "3", "4"]


def test_a_task_comes_after_what_it_needs(known):
    seconds = [5, 40, 1, 30, 2, 8]
    place = {one.name: n for n, one in enumerate(in_order(listed(seconds), known(seconds), slots=3))}
    assert all(place[f"train-{n}"] < place[f"evaluate-{n}"] for n in range(len(seconds)))


class Immediately(Executor):
    """Says of every task that it is done."""

    slots = 2

    @classmethod
    def from_request(cls, request):
        raise NotImplementedError

    def submit(self, task, attempt):
        self.waiting = [*getattr(self, "waiting", []), task]

    def collect(self, seconds):
        done, self.waiting = self.waiting, []
        return [(task, "done") for task in done]

    def close(self):
        pass


class Jobs(Immediately):
    """A cluster, whose jobs find out only when they run that another program is doing their task."""

    submitted = 0

    def submit(self, task, attempt):
        super().submit(task, attempt)
        self.submitted += 1

    def collect(self, seconds):
        return [(task, "busy" if self.is_held(task) else status) for task, status in super().collect(seconds)]

    def is_held(self, task):
        try:
            with Store(self.root).lock(task.name).acquire(timeout=0):
                return False
        except Timeout:
            return True


@pytest.fixture
def wanted(monkeypatch):
    """A task that is looked at often."""
    monkeypatch.setattr(tasks, "PATIENCE_SECONDS", 0.01)
    return task("wanted")


def test_what_another_program_is_doing_is_submitted_again_only_when_that_has_ended(tmp_path, wanted):
    store, executor, looks = Store(tmp_path), Jobs(tmp_path), itertools.count()
    lock = store.lock(wanted.name).acquire()

    def end_in_a_while():
        if next(looks) == 100:
            lock.release()
        return False

    assert run_tasks([wanted], executor, store, 2, meanwhile=end_in_a_while) == [wanted]
    assert next(looks) > 100
    assert executor.submitted == 2


def test_a_silent_program_is_passed_over_after_the_same_time_however_few_tries_there_are(
    tmp_path, wanted, monkeypatch
):
    monkeypatch.setattr(locks, "SILENT_SECONDS", 0.3)
    store, executor = Store(tmp_path), Jobs(tmp_path)
    lock = store.lock(wanted.name)
    lock.lock_file.parent.mkdir(parents=True)
    stopped = FileLock(lock.lock_file, thread_local=False)
    stopped.acquire()
    holder = Holder(pid=123, host="elsewhere", since="2026-11-28T10:00:00Z", token="0")
    lock.holder_file.write_text(holder.model_dump_json())
    began = time.monotonic()
    assert run_tasks([wanted], executor, store, 2) == [wanted]
    assert time.monotonic() - began >= 0.3
    assert executor.submitted == 2
    stopped.release()


def test_ten_times_the_tasks_are_ten_times_the_work(tmp_path):
    store = Store(tmp_path)

    def calls(number):
        tasks = listed([1] * (number // 2))
        count = itertools.count()
        sys.setprofile(lambda *event: next(count))
        try:
            assert len(run_tasks(tasks, Immediately(store.root), store, slots=2)) == number
        finally:
            sys.setprofile(None)
        return next(count)

    assert calls(2000) < 11 * calls(200)
