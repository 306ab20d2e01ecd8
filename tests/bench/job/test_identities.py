"""Identities and stored descriptions stay what they were at commit 50aafb7, so that older results are found."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from baselines.d3dp import D3DP
from baselines.mixste import MixSTE
from baselines.pstmo import PSTMO
from baselines.tcn import TCN
from bench.config.experiment import parse
from bench.job import identities
from bench.job.data_cache import DataCache
from bench.job.resolve import resolve
from models.finepose.model import FinePOSE
from models.lifter import Preset, Recipe

KNOWN = json.loads(Path(__file__).with_name("identities_of_50aafb7.json").read_text())


RECIPE_OF_THEN = Recipe(2, 128, learning_rate=8e-3, decay=0.2, weight_decay=0.01, least_steps=2500)
SCALES_OF_THEN = {"input_gain": 5.0, "table_std": 0.5}


@pytest.fixture(autouse=True)
def recipes_of_then(monkeypatch):
    """The presets have the recipe, and the initial scales, that they had before all had equal compute."""
    for lifter in (TCN, MixSTE, D3DP, FinePOSE, PSTMO, PSTMO.first_stage(PSTMO.presets["tiny"].config).lifter):
        config = lifter.presets["tiny"].config
        scales = {name: value for name, value in SCALES_OF_THEN.items() if hasattr(config, name)}
        monkeypatch.setitem(lifter.presets, "tiny", Preset(replace(config, **scales), RECIPE_OF_THEN))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("known", KNOWN, ids=lambda known: json.dumps(known["description"])[:60])
def test_an_older_result_is_found(toy_suite, known, monkeypatch):
    monkeypatch.setattr(FinePOSE, "prediction_version", classmethod(lambda cls, config: 1))
    monkeypatch.setattr(identities, "AUTOCAST_VERSION", 1)
    description, stored = with_the_data_of_then(known["description"]), known["stored"]
    if stored["method"]["name"] == "finepose":
        description, stored = with_the_encoder_of_then(description), with_the_encoder_of_then(stored)
    job = resolve(parse(description), DataCache())
    assert [training.id for training in job.training.chain] == known["trainings"]
    assert (job.sampling_id, job.id, job.cost_id) == (known["sampling"], known["evaluation"], known["cost"])
    assert json.loads(json.dumps(job.experiment.described(), default=str)) == stored


def with_the_data_of_then(description):
    """The same with the data set that was the default."""
    return description | {"data": {"name": "synthetic"} | description.get("data", {})}


def with_the_encoder_of_then(description):
    """The same with the text encoder that FinePOSE had at the tiny preset; today it has another one there."""
    method = {"name": "finepose"} | description.get("method", {})
    return description | {"method": method | {"options": method.get("options", {}) | {"text": "tiny"}}}


def test_weights_of_finepose_that_were_chosen_by_old_texts_do_not_count(toy_suite):
    known = {training for entry in KNOWN for training in entry["trainings"]}
    then = with_the_data_of_then(with_the_encoder_of_then({"method": {"name": "finepose"}}))
    training = resolve(parse(then), DataCache()).training_id
    assert training not in known
    assert resolve(parse(then | {"training": {"selection": "last"}}), DataCache()).training_id != training


def test_finepose_with_words_that_mean_something_is_another_training(toy_suite):
    known = {training for entry in KNOWN for training in entry["trainings"]}
    assert resolve(parse({"method": {"name": "finepose"}}), DataCache()).training_id not in known
