"""Jobs of submitit on this machine, without SLURM; ``tests/cluster`` has a real one."""

from bench.results.store import Store
from bench.sweep.executors.slurm import Slurm
from bench.sweep.run import run
from tests.bench.experiments import some


def test_jobs_of_submitit(toy_everywhere, expected, tmp_path):
    wanted = some(seeds=1)
    store = Store(tmp_path / "store")
    with Slurm(store.root, 2, 1, {"cluster": "local", "timeout_min": 5}) as executor:
        outcome = run(wanted, store, "cpu", executor)
    assert not outcome.failures
    for record in outcome.records.values():
        assert record.values == expected[record.id][0]
