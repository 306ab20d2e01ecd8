"""Locks between programs: who holds one, how long it is waited for, and what a stopped holder cannot do."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from filelock import Timeout

from bench.results import locks
from bench.results.locks import Lock, Watch, use_device
from models.errors import InputError
from tests import ROOT

PROGRAM = """
import sys
from pathlib import Path
from bench.results import locks
locks.BEAT_SECONDS = 0.05
with locks.Lock(Path(sys.argv[1]), "work"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def quick(monkeypatch):
    """Seconds instead of minutes."""
    monkeypatch.setattr(locks, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(locks, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(locks, "SILENT_SECONDS", 0.6)
    monkeypatch.setattr(locks, "SAY_SECONDS", 0.1)


@pytest.fixture
def program(tmp_path):
    """Another program that holds the lock "work" until it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    yield process
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_it_is_said_who_is_waited_for_and_who_gives_signs_of_life_is_not_passed_over(
    quick, program, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(locks, "SILENT_SECONDS", 5)  # on a busy disk a sign of life may take a second
    with pytest.raises(Timeout):
        Lock(tmp_path, "work").acquire(timeout=7)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"waiting for work, held by process {program.pid} on ")
    assert line.endswith(" so far)")
    assert program.poll() is None


def test_a_holder_that_is_killed_gives_up_the_lock_at_once(program, tmp_path):
    with pytest.raises(Timeout):
        Lock(tmp_path, "work").acquire(timeout=0)
    program.kill()
    program.wait()
    with Lock(tmp_path, "work").acquire(timeout=0) as lock:
        assert lock.holder().pid == os.getpid(), "what the killed one left says nothing any more"


def test_one_that_is_stopped_is_passed_over_and_may_go_on(quick, program, tmp_path, capsys):
    program.send_signal(signal.SIGSTOP)
    with Lock(tmp_path, "work").acquire(timeout=20) as lock:
        assert f"process {program.pid} on" in capsys.readouterr().err
        program.send_signal(signal.SIGCONT)
        time.sleep(0.3)
        program.stdin.write("\n")
        program.stdin.flush()
        assert program.wait(10) == 0
        assert lock.holder().pid == os.getpid(), "the other one gives back what it had, not this lock"
        with pytest.raises(Timeout):
            Lock(tmp_path, "work").acquire(timeout=0)
    assert not lock.holder_file.exists()


def test_where_two_holders_could_lose_something_none_is_passed_over(quick, program, tmp_path):
    program.send_signal(signal.SIGSTOP)
    with pytest.raises(InputError, match=rf"work\.lock: is held by process {program.pid} on .* no sign of life"):
        Lock(tmp_path, "work", passes_over=False).acquire()


def test_a_process_that_was_stopped_itself_does_not_take_that_for_silence(quick, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(locks.time, "monotonic", lambda: now[0])
    with Lock(tmp_path, "work") as held:
        watch = Watch(Lock(tmp_path, "work"), "work")
        sign = watch.last
        monkeypatch.setattr(watch.lock, "sign", lambda: sign)
        now[0] = 3600.0
        watch.look()
        assert held.holder_file.exists()
        for _ in range(20):
            now[0] += 0.05
            watch.look()
    assert not held.lock_file.exists()


def test_a_lock_has_the_mode_of_the_umask(tmp_path):
    before = os.umask(0o002)
    try:
        script = "import sys, pathlib; from bench.results.locks import Lock; Lock(pathlib.Path(sys.argv[1]), 'a')"
        subprocess.run([sys.executable, "-c", f"{script}.acquire()", str(tmp_path)], cwd=ROOT, check=True)
    finally:
        os.umask(before)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == dict.fromkeys(
        ("a.lock", "a.holder"), 0o664
    )


def test_a_store_is_locked_without_fcntl(tmp_path):
    """Windows has no fcntl."""
    script = """
import sys
sys.modules["fcntl"] = None
from pathlib import Path
from bench.results.locks import Lock, use_device
folder = Path(sys.argv[1])
for alone in (False, True, False):
    with use_device(folder, "cpu", alone):
        pass
with Lock(folder, "work") as lock:
    print(lock.holder() is not None)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(tmp_path)],
        cwd=ROOT, check=True, text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "True\n"


def test_a_device_is_used_together_or_alone(tmp_path):
    order, ends = [], time.monotonic() + 30

    def use(alone, word):
        with use_device(tmp_path, "cuda:0", alone):
            order.append(word)

    with use_device(tmp_path, "cuda:0", alone=False), use_device(tmp_path, "cuda:0", alone=False):
        threads = [
            threading.Thread(target=use, args=arguments) for arguments in ((True, "alone"), (False, "later"))
        ]
        for thread in threads:
            thread.start()
            while not list(tmp_path.glob("queue-*.holder")) and time.monotonic() < ends:
                time.sleep(0.01)  # until the first is in the queue, where it stays
        time.sleep(0.2)  # who does not wait goes in meanwhile
        order.append("together")
    for thread in threads:
        thread.join()
    assert order == ["together", "alone", "later"]
    assert not list(tmp_path.glob("device-*"))


def test_what_a_killed_user_of_a_device_left_is_removed(tmp_path):
    script = (
        "import os, sys, pathlib; from bench.results.locks import use_device; "
        "held = use_device(pathlib.Path(sys.argv[1]), 'cpu', False); held.__enter__(); os._exit(1)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT).returncode == 1
    assert list(tmp_path.glob("device-*.holder"))
    with use_device(tmp_path, "cpu", alone=True):
        assert not list(tmp_path.glob("device-*"))
