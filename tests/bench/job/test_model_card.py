"""A trained folder says by itself what it is, and is usable without its store."""

import json
import shutil

import pytest
import torch

from bench.config.experiment import parse
from bench.footage.weights import load_weights, named_apart
from bench.job.model_card import load_model
from bench.job.resolve import resolve
from bench.job.weights import train_or_load
from bench.results.store import Store
from bench.sweep.run import run
from models.errors import InputError
from tests.bench.toy import Toy


@pytest.fixture
def store(toy_store):
    return toy_store


def trained(store, name="toy", **options):
    job = resolve(parse({"method": {"name": name, "options": options}, "evaluation": {"windows": 4}}))
    lifter = job.build()
    train_or_load(job.training, lifter, store, "cpu")
    return job, lifter


def test_a_copied_folder_is_enough(store, tmp_path):
    job, lifter = trained(store, frames=27)
    shutil.copytree(store.training(job.training_id), tmp_path / "mine")
    loaded, card = load_model(tmp_path / "mine")
    assert isinstance(loaded, Toy)
    assert loaded.config == job.training.config
    assert all(torch.equal(tensor, lifter.state_dict()[name]) for name, tensor in loaded.state_dict().items())
    assert (card.method, card.detections, card.training_id) == ("toy", "cpn", job.training_id)
    assert card.person_height == pytest.approx(0.6, abs=0.5)
    weights = load_weights(str(tmp_path / "mine"), Store(tmp_path / "none"))
    assert "toy motion" in weights.source


def test_a_card_that_a_kill_has_prevented_is_written_when_the_weights_are_used(store):
    job, _ = trained(store)
    card = store.training(job.training_id) / "model.json"
    before = card.read_text()
    card.unlink()
    trained(store)
    assert card.read_text() == before


def test_a_first_stage_is_no_method(store):
    job, _ = trained(store, "second")
    assert (store.training(job.training_id) / "model.json").exists()
    assert not (store.training(job.training.first.id) / "model.json").exists()


def test_trainings_are_found_by_the_beginning_of_their_id(store):
    job, other = trained(store)[0], trained(store, frames=27)[0]
    assert load_weights(job.training_id[:6], store).identity == job.training_id
    both = [load_weights(one.training_id, store) for one in (job, other)]
    assert [weights.name for weights in named_apart(both)] == [
        f"Toy {one.training_id[:6]}" for one in (job, other)
    ]
    for named in ("nothing", ""):
        with pytest.raises(InputError, match=f"take one of its ids .*{job.training_id} Toy"):
            load_weights(named or job.training_id[:1], store)


def test_trainings_of_older_versions_are_known_by_their_record(store):
    job = resolve(parse({"method": {"name": "toy", "options": {"frames": 27}}, "evaluation": {"windows": 4}}))
    run([job], store, "cpu")
    (store.training(job.training_id) / "model.json").unlink()
    weights = load_weights(job.training_id, store)
    assert weights.lifter.config.frames == 27
    with pytest.raises(InputError, match="has no model.json.*name its store"):
        load_weights(str(store.training(job.training_id)), store)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"method": "nothing"}, "unknown method 'nothing'"),
        ({"version": 7}, "holds weights of version 7 of toy, which now is version 1: train again"),
        ({"config": {"frames": 9, "wings": 2}}, "does not fit the weights"),
        ({"skeleton": "smpl"}, "does not fit the weights"),
        ({"config": 3}, "cannot be read"),
    ],
)
def test_a_card_that_is_wrong_is_refused(change, sentence, store):
    job, _ = trained(store)
    place = store.training(job.training_id) / "model.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | change))
    with pytest.raises(InputError, match=sentence):
        load_weights(job.training_id, store)


def test_weights_that_are_missing_or_damaged_are_named_and_left_alone(store, tmp_path):
    job, _ = trained(store)
    folder = tmp_path / "mine"
    shutil.copytree(store.training(job.training_id), folder)
    content = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(content[:-8] + b"12345678")
    with pytest.raises(InputError, match=r"weights\.safetensors: the weights cannot be read"):
        load_model(folder)
    assert (folder / "weights.safetensors").exists()
    (folder / "weights.safetensors").unlink()
    with pytest.raises(InputError, match="not finished, or was not copied whole"):
        load_model(folder)
