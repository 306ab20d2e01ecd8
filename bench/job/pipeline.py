"""The steps of one experiment from data to record: evaluate, measure, complete. Training: ``bench.job.weights``.

Every step keeps what it made in the store and needs nothing but the store from the steps before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from bench.config.experiment import EvaluationSpec, Experiment
from bench.config.registry import AGGREGATIONS
from bench.data.windows import Windows, evaluation_windows
from bench.devices import autocast, synchronise
from bench.job.describe import Subset, describe_evaluation
from bench.job.jobs import Job
from bench.job.resolve import resolve
from bench.job.weights import NOT_TRAINED, train_or_load
from bench.measure import memory
from bench.measure.background_load import background_load
from bench.measure.compilation import compile_part
from bench.measure.cost import MeasuredPrediction, inputs_of, measure_cost, sample_again
from bench.measure.environment import OtherWork, environment
from bench.protocol.evaluate import EvalSetting, evaluate, shared_samples, windows_per_call
from bench.protocol.examples import predict_examples
from bench.protocol.frame_errors import FrameErrors
from bench.results.record import Evaluation, Measurement, Record, TrainingInfo
from bench.results.store import Store
from bench.training.checkpoints import load_trained
from models.lifter import Batch, Lifter, Sampling

LATENCY_INPUTS = 4
"""Different windows in rotation while latency is measured."""

LATENCY_SECONDS, TINY_LATENCY_SECONDS = 1.0, 0.4
"""About what sampling of latency may take; less at the tiny preset, whose times are looked at, not published."""


def evaluate_together(jobs: Sequence[Job], store: Store, device: torch.device, halvings: int = 0) -> None:
    """Keep the errors and numbers of jobs of one ``sampling_id``, which are read off the same samples.

    ``halvings``: how often to halve the batch before the first try.

    Raises:
        torch.OutOfMemoryError: even with one window at a time.
        InputError: the method's predictions cannot be evaluated.
    """
    first = jobs[0]
    spec = first.experiment.evaluation
    lifter, info = _with_weights(first, store, device)
    windows = evaluation_windows(first.test.test, lifter)
    subset = _test_subset(windows, spec)
    settings = [_setting(job) for job in jobs]
    sizes = [(setting.hypotheses, setting.steps) for setting in settings]
    drawn = {pair: host for host, read_off in shared_samples(sizes, lifter).items() for pair in read_off}
    largest = max(hypotheses for hypotheses, _ in sizes)
    sampling = Sampling(flip=spec.flip, seed=spec.seed)
    size = max(1, windows_per_call(largest * lifter.frames, device) >> halvings)

    def in_batches(size: int) -> tuple[dict[EvalSetting, FrameErrors], int]:
        with tqdm(total=len(subset.rows), desc=f"evaluate {first.name}", unit="window", disable=None) as bar:
            found = evaluate(
                lifter, windows, subset.rows, sampling, settings, device,
                batch_windows=size, labels=spec.actions, precision=spec.precision, progress=bar.update,
            )  # fmt: skip
        return found, size

    errors, size = memory.first_that_fits(in_batches, memory.halving(size))
    shown = predict_examples(lifter, windows, sampling, settings, device, size, spec.actions, spec.precision)
    for job, setting, pair in zip(jobs, settings, sizes, strict=True):
        evaluation = describe_evaluation(job, lifter, info, errors[setting], subset, drawn[pair])
        errors[setting].save(store.files.errors_path(job.id))
        shown[setting].save(store.files.examples_path(job.id))
        files = store.files.checksums(job.id)
        store.evaluations.put(job.id, evaluation.model_copy(update={"files": files}))


def measure(job: Job, store: Store, device: torch.device, known: Measurement | None = None) -> Measurement:
    """What a prediction of a job costs; with its weights where they are there already, else with fresh ones.

    ``known``: of earlier passes, to which one more of the time is added. Where they were made on another machine,
    as in a cluster, all are made again on this one: a time is never of two machines.
    """
    passes = 1 if known is None else 1 + len(known.cost.latency.passes)
    if known is not None and known.environment.place != environment(device, busy=0.0).place:
        known = None
    lifter, windows, sampling = ready_to_predict(job, store, device)
    evaluation, spec = job.experiment.evaluation, job.experiment.measurement
    seconds = TINY_LATENCY_SECONDS if job.experiment.method.preset == "tiny" else LATENCY_SECONDS
    prediction = MeasuredPrediction(
        lifter,
        windows,
        sampling,
        device,
        budget_seconds=seconds,
        precision=evaluation.precision,
        batch=spec.batch,
        workers=spec.workers,
        named=_on_request(evaluation),
    )
    others = partial(predict_again_and_again, job.portable, store.root, device)
    with background_load(others, spec.workers - 1):
        work = OtherWork()
        cost = known.cost if known is not None else measure_cost(prediction)
        while len(cost.latency.passes) < passes:
            cost = cost.model_copy(update={"latency": cost.latency.with_pass(sample_again(prediction))})
    if known is not None:
        return known.model_copy(update={"cost": cost})
    alone = spec.workers == 1 and not evaluation.compile  # else other processes work for this one
    return Measurement(
        cost=cost, environment=environment(device, cost.device_state, work.percent() if alone else None)
    )


def ready_to_predict(job: Job, store: Store, device: torch.device) -> tuple[Lifter, list[Batch], Sampling]:
    """The method of a job on the device, some single windows for it, and how to predict."""
    spec = job.experiment.evaluation
    lifter, _ = _with_weights(job, store, device, wait=False)
    windows = evaluation_windows(job.test.test, lifter)
    rows = _test_subset(windows, spec).rows
    chosen = rows[np.linspace(0, len(rows) - 1, min(LATENCY_INPUTS, len(rows))).astype(int)]
    inputs: list[Batch] = [windows.batch(np.array([row])) for row in chosen]
    sampling = Sampling(hypotheses=spec.hypotheses, steps=spec.steps, flip=spec.flip, seed=spec.seed)
    return lifter, inputs, sampling


def predict_again_and_again(experiment: Experiment, root: Path, device: torch.device) -> Iterator[None]:
    """Make the predictions that are measured, over and over, and yield after each one; for another process."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    job = resolve(experiment)
    lifter, windows, sampling = ready_to_predict(job, Store(root), device)
    with torch.inference_mode(), autocast(device, job.experiment.evaluation.precision):
        for batch in cycle(inputs_of(windows, job.experiment.measurement.batch, device)):
            lifter.predict(batch, sampling)
            synchronise(device)
            yield


def complete(evaluation: Evaluation, measurement: Measurement, store: Store) -> Record:
    """A finished record: numbers, and what their predictions cost."""
    return Record(
        **dict(evaluation),
        **dict(measurement),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        errors_file=store.files.errors_path(evaluation.id).name,
    )


def _with_weights(job: Job, store: Store, device: torch.device, wait: bool = True) -> tuple[Lifter, TrainingInfo]:
    """The method of a job on the device, and how it was trained.

    Without ``wait``, a method that is not trained yet has fresh weights, unless its size follows from its data.
    """
    lifter, info = job.build(), NOT_TRAINED
    if job.published is None:
        known = load_trained(lifter, store.training(job.training_id))
        if known is None and (wait or job.keeps_data):
            known = train_or_load(job.training, lifter, store, str(device))
        info = known or info
    ready = job.altered(lifter.to(device).eval())
    if job.experiment.evaluation.compile:
        one_shape = not wait and device.type == "cuda"  # a CPU predicts a batch in parts that may differ in size
        compile_part(ready, dynamic=False if one_shape else None)
    return ready, info


def _test_subset(windows: Windows, spec: EvaluationSpec) -> Subset:
    """Rows of the windows to evaluate, and what tables call them."""
    if spec.windows is not None and spec.windows < len(windows):
        return Subset(windows.subset(spec.windows), f"{spec.windows} of {len(windows)} windows, evenly spread")
    total = len(windows.sequences)
    if spec.sequences is not None and spec.sequences < total:
        rows = windows.whole_sequences(spec.sequences)
        return Subset(rows, f"{spec.sequences} of {total} sequences, evenly spread")
    return Subset(np.arange(len(windows)), "all")


def _setting(job: Job) -> EvalSetting:
    spec = job.experiment.evaluation
    return EvalSetting(spec.hypotheses, spec.steps, spec.count_overlap, spec.p_best_calls, _on_request(spec))


def _on_request(spec: EvaluationSpec) -> tuple[str, ...]:
    """The aggregations that are computed because they are named."""
    return tuple(name for name in AGGREGATIONS.on_request if name in spec.aggregations)
