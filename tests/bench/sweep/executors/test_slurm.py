"""Jobs of submitit on this machine, without SLURM; ``tests/cluster`` has a real one."""

import submitit

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


def test_names_of_submitit_that_the_executor_relies_on(tmp_path):
    job = submitit.AutoExecutor(tmp_path, cluster="debug").submit(int)
    assert job.result() == 0
    assert job.done() is True
    assert isinstance(job.job_id, str)
    assert callable(job.cancel)
    assert job.paths.result_pickle.parent == job.paths.folder == tmp_path
