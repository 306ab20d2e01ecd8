"""A Ray cluster of two nodes on this machine; `nox -s cluster` runs it."""

import threading
import time

import pytest

from bench.results.store import Store
from bench.sweep.executors.ray import Ray
from bench.sweep.run import run
from tests.bench.experiments import numbers, some

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.cluster

MEMORY = 100 * 1024 * 1024


@pytest.fixture
def cluster(toy_everywhere, monkeypatch):
    """Two nodes of one core each; the second one is yielded with what ends it."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": MEMORY})
    node = started.add_node(num_cpus=1, object_store_memory=MEMORY)
    ray.init(address=started.address, logging_level="ERROR", log_to_driver=True)
    yield started, node
    ray.shutdown()
    started.shutdown()


def test_a_node_that_dies_takes_no_result_with_it(cluster, tmp_path, monkeypatch):
    started, node = cluster
    jobs = some(seeds=6, epochs=20)
    here = run(jobs, Store(tmp_path / "here"), "cpu")
    store = Store(tmp_path / "there")
    killed = threading.Event()

    def kill_in_the_middle_of_the_second_trainings():
        ends = time.monotonic() + 120
        while time.monotonic() < ends and not list(store.root.glob("trainings/*/training.json")):
            time.sleep(0.1)
        time.sleep(1.5)  # a training takes some seconds; right after one, the node may have nothing to do yet
        started.remove_node(node, allow_graceful=False)
        killed.set()

    threading.Thread(target=kill_in_the_middle_of_the_second_trainings, daemon=True).start()
    attempts, real = [], Ray.submit
    monkeypatch.setattr(Ray, "submit", lambda self, task, n: attempts.append(n) or real(self, task, n))
    with Ray(store.root, 2, 1, {}) as executor:
        there = run(jobs, store, "cpu", executor)
    assert killed.is_set()
    assert max(attempts) > 0, "nothing ran on the node that died"
    assert not there.failures
    assert numbers(there.records) == numbers(here.records)
