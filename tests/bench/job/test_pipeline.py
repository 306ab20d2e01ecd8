"""The way from descriptions to records, with a toy method on toy data."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bench.job import pipeline
from bench.job.pending import PendingWork
from bench.results.store import Store, read_trained
from bench.sweep.run import run
from bench.training.checkpoints import load_trained
from models.errors import UnfitError
from tests.bench.toy_jobs import job


@pytest.fixture
def store(toy_store):
    return toy_store


def test_jobs_share_their_training_and_are_done_once(store):
    jobs = [job(evaluation={"hypotheses": h, "steps": k}) for h in (1, 3) for k in (1, 2)]
    outcome = run(jobs, store, "cpu")
    assert (outcome.trained, outcome.evaluated) == (1, 4)
    assert set(outcome.records) == {j.id for j in jobs}
    again = run(jobs, store, "cpu")
    assert (again.trained, again.evaluated) == (0, 0)
    assert again.records == outcome.records


def test_an_interruption_keeps_what_is_finished(store, monkeypatch):
    jobs = [job(), job(training={"seed": 1})]
    with monkeypatch.context() as patch:
        real = pipeline.evaluate_together

        def interrupted(group, *rest, **more):
            if group[0].id == jobs[1].id:
                raise KeyboardInterrupt
            return real(group, *rest, **more)

        patch.setattr(pipeline, "evaluate_together", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(jobs, store, "cpu")
    assert store.finished() == {jobs[0].id}
    outcome = run(jobs, store, "cpu")
    assert (outcome.trained, outcome.evaluated) == (0, 1)
    assert not store.evaluations.ids()


def test_too_short_sequences_are_refused(store):
    wanted = job(method={"options": {"frames": 41}})
    failure = run([wanted], store, "cpu").failures[wanted.id]
    assert failure.kind == "bad input"
    assert "longest training sequence has 40 frames, fewer than the window of 41" in failure.reason


def test_without_confidence_in_the_data_it_is_1_and_the_conditions_say_so(store):
    wanted = job(method={"name": "confident"})
    assert wanted.training.config.confidence == wanted.evaluated_config.confidence == "one"
    assert wanted.variant == ""
    assert wanted.id == job(method={"name": "confident", "options": {"confidence": "one"}}).id
    record = run([wanted], store, "cpu").records[wanted.id]
    assert record.conditions.notes["confidence"] == "1 for every joint (the data has none)"


def test_a_confidence_that_is_asked_for_is_required(store):
    with pytest.raises(
        UnfitError, match="'cpn' poses have no confidence, which Confident toy is asked to require"
    ):
        job(method={"name": "confident", "options": {"confidence": "required"}})


def test_the_audit_reads_its_numbers_off_one_prediction(store, monkeypatch):
    predictions, costs = [], []
    for name, calls in (("evaluate", predictions), ("measure_cost", costs)):
        real = getattr(pipeline, name)
        monkeypatch.setattr(
            pipeline, name, lambda *args, real=real, calls=calls, **more: calls.append(1) or real(*args, **more)
        )
    jobs = [job(evaluation=choice) for choice in ({}, {"count_overlap": True}, {"p_best_calls": 8})]
    records = run(jobs, store, "cpu").records
    assert (len(records), len(predictions), len(costs)) == (3, 1, 1)
    assert records[jobs[1].id].conditions.tail == "overlap of the last two windows counted twice"
    assert records[jobs[2].id].conditions.best_over == "calls of 8 windows"


def test_the_checkpoint_chosen_on_the_test_set_follows_the_same_training(store, tmp_path):
    jobs = [job(training={"selection": selection}) for selection in ("last", "validation", "test")]
    assert len({wanted.training_id for wanted in jobs}) == 3
    (task,) = [task for task in PendingWork(jobs, store, "cpu", "here").tasks() if task.kind == "train"]
    assert task.ids == tuple(wanted.training_id for wanted in jobs)
    outcome = run(jobs, store, "cpu")
    assert outcome.trained == 1
    for wanted in jobs:
        alone = Store(tmp_path / wanted.training_id)
        expected = run([wanted], alone, "cpu").records[wanted.id]
        record = outcome.records[wanted.id]
        assert record.values == expected.values
        assert record.training.validation_mpjpe == expected.training.validation_mpjpe
        assert record.conditions.selection == wanted.experiment.training.selection
        weights = [load_file(of.training(wanted.training_id) / "weights.safetensors") for of in (store, alone)]
        assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert {path.name for path in (store.root / "trainings").iterdir()} == {*task.ids}


def test_a_checkpoint_that_is_asked_for_later_is_trained_for(store):
    validated, tested = job(), job(training={"selection": "test"})
    first = run([validated], store, "cpu").records[validated.id]
    outcome = run([validated, tested], store, "cpu")
    assert outcome.trained == 1
    assert outcome.records[tested.id].training.loss == first.training.loss


def test_damaged_weights_are_named_and_made_again(store, capsys):
    wanted = job()
    run([wanted], store, "cpu")
    path = store.training(wanted.training_id) / "weights.safetensors"
    content = path.read_bytes()
    for windows, damaged in ((5, b"half a file"), (6, content[:-1] + bytes([content[-1] ^ 1]))):
        path.write_bytes(damaged)
        assert load_trained(wanted.build(), path.parent) is None
        assert f"trainings/{wanted.training_id}/weights.safetensors: cannot be read" in capsys.readouterr().err
        assert not run([job(evaluation={"windows": windows})], store, "cpu").failures
        assert path.read_bytes() == content


def test_weights_without_a_checksum_are_of_an_older_version(store):
    wanted = job()
    run([wanted], store, "cpu")
    folder = store.training(wanted.training_id)
    trained = read_trained(folder)
    (folder / "training.json").write_text(trained.info.model_dump_json())
    assert load_trained(wanted.build(), folder) == trained.info


def test_a_time_is_of_one_machine(store):
    device = torch.device("cpu")
    first = pipeline.measure(job(), store, device)
    second = pipeline.measure(job(), store, device, first)
    begun = first.cost.latency.samples_ms
    assert second.cost.latency.samples_ms[: len(begun)] == begun
    elsewhere = first.environment.model_copy(update={"device": "another"})
    moved = pipeline.measure(job(), store, device, second.model_copy(update={"environment": elsewhere}))
    assert moved.environment.place == first.environment.place
    assert len(moved.cost.latency.passes) == 3
    assert moved.cost.latency.samples_ms[: len(begun)] != begun


def test_an_evaluation_or_a_cost_that_cannot_be_read_is_made_again(store):
    wanted = job()
    record = run([wanted], store, "cpu").records[wanted.id]
    store.index.unlink()
    (store.root / "mlflow.db").unlink()
    for folder, name in (("evaluations", wanted.id), ("prices", next(iter(store.measurements.ids())))):
        (store.root / folder).mkdir(exist_ok=True)
        (store.root / folder / f"{name}.json").write_text("{}")
    outcome = run([wanted], store, "cpu")
    assert outcome.records[wanted.id].values == record.values
    assert not outcome.failures
    assert len(list((store.root / "unreadable").iterdir())) == 2


@pytest.mark.parametrize("path_of", ["errors_path", "examples_path"])
def test_arrays_that_are_lost_or_damaged_are_made_again(store, path_of):
    wanted = job()
    record = run([wanted], store, "cpu").records[wanted.id]
    path = getattr(store.files, path_of)(wanted.id)
    content = path.read_bytes()
    assert str(path.relative_to(store.root)) in record.files
    path.unlink()
    assert store.files.missing(record) == [str(path.relative_to(store.root))]
    assert not store.finished()
    assert run([wanted], store, "cpu").records[wanted.id].values == record.values
    path.write_bytes(content[:100] + b"!" + content[101:])
    assert store.files.frame_errors(record, "mpjpe", "P-Agg") is None or store.files.examples(record) is None
    assert not store.finished()
    run([wanted], store, "cpu")
    assert store.finished() == {wanted.id}


def test_examples_are_the_same_frames_for_every_plan_and_what_the_errors_come_from(store):
    jobs = [job(evaluation={"hypotheses": h, "steps": 2}) for h in (1, 7)]
    records = run(jobs, store, "cpu").records
    few, many = (store.files.examples(records[j.id]) for j in jobs)
    assert few.keys == many.keys == ("S9/Walking 1/b", "S9/Eating/a")
    assert few.joints == records[jobs[0].id].data.joints
    assert (few.frame == many.frame).all()
    assert few.frame[few.sequence == 1].tolist() == list(range(0, 40, 2))
    assert (few.target == many.target).all()
    assert many.hypotheses.shape == (40, 5, 17, 3)
    lifter = jobs[0].build()
    load_trained(lifter, store.training(jobs[0].training_id))
    poses = lifter.lift(torch.from_numpy(few.pose_2d).float()).detach()
    expected = poses - poses[:, :1]
    assert np.allclose(many.answer, expected, atol=2e-3)
    assert store.files.examples_path(jobs[1].id).stat().st_size < 300_000
