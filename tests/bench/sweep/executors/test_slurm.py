"""Jobs of submitit on this machine, without SLURM; ``tests/cluster`` has a real one."""

import submitit

from bench.sweep.executors.slurm import Slurm
from bench.sweep.run import run
from tests.bench.experiments import some


def test_jobs_of_submitit(store, expected):
    wanted = some(seeds=1, hypotheses=(2,), steps=(1,), data={"name": "toy"})  # each job starts an interpreter
    with Slurm(store.root, 2, 1, {"cluster": "local", "timeout_min": 5}) as executor:
        outcome = run(wanted, store, "cpu", executor)
    assert not outcome.failures
    (record,) = outcome.records.values()
    assert record.values == expected[wanted[0].id][0]


def test_names_of_submitit_that_the_executor_relies_on(tmp_path):
    job = submitit.AutoExecutor(tmp_path, cluster="debug").submit(int)
    assert job.result() == 0
    assert job.done() is True
    assert isinstance(job.job_id, str)
    assert callable(job.cancel)
    assert job.paths.result_pickle.parent == job.paths.folder == tmp_path
