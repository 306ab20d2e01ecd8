"""Identities and stored descriptions stay what they were at commit 50aafb7, so that older results are found."""

import json
from pathlib import Path

import pytest

from bench.config.experiment import parse
from bench.job.data_cache import DataCache
from bench.job.resolve import resolve

KNOWN = json.loads(Path(__file__).with_name("identities_of_50aafb7.json").read_text())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("known", KNOWN, ids=lambda known: json.dumps(known["description"])[:60])
def test_an_older_result_is_found(toy_suite, known):
    job = resolve(parse(known["description"]), DataCache())
    assert [training.id for training in job.training.chain] == known["trainings"]
    assert (job.sampling_id, job.id, job.cost_id) == (known["sampling"], known["evaluation"], known["cost"])
    assert json.loads(json.dumps(job.experiment.described(), default=str)) == known["stored"]
