"""Records with invented numbers, for tests of the reports only."""

import hashlib
import math

import numpy as np

from bench.results.arrays import Examples
from bench.results.cost import Latency
from bench.results.record import (
    Conditions,
    Cost,
    DataInfo,
    Environment,
    GroundTruth,
    Record,
    Take,
    TrainingInfo,
    Value,
)
from bench.results.run_set import RunSet

TITLES = {
    "mean_pose": "Mean pose",
    "nearest_pose": "Nearest pose",
    "tcn": "TCN",
    "mixste": "MixSTE",
    "d3dp": "D3DP",
    "finepose": "FinePOSE",
}
BASE_ERROR = {"mean_pose": 240, "nearest_pose": 110, "tcn": 62, "mixste": 51, "d3dp": 50, "finepose": 49.5}
MILLISECONDS = {"mean_pose": 0.05, "nearest_pose": 1.5, "tcn": 2.7, "mixste": 12, "d3dp": 340, "finepose": 420}
PROBABILISTIC = ("d3dp", "finepose")
KINDS = {
    None: ("deterministic", GroundTruth()),
    "P-Agg": ("deployable", GroundTruth()),
    "J-Agg": ("assisted", GroundTruth(root_trajectory=True)),
    "P-Best": ("oracle", GroundTruth(pose=True)),
    "J-Best": ("oracle", GroundTruth(pose=True)),
}
GAIN = {None: 0, "P-Agg": 0, "J-Agg": 0.6, "P-Best": 3, "J-Best": 7}
ACTIONS = ("Walking", "Jumping", "Basketball", "BasketballSignal", "Running", "Soccer")


def value(metric, aggregation, mean, half=1.5, step=1, actions=ACTIONS):
    kind, looks_at = KINDS[aggregation]
    return Value(
        metric=metric,
        aggregation=aggregation,
        kind=kind,
        looks_at=looks_at,
        step=step,
        action_mean=mean,
        low=mean - half,
        high=mean + half,
        frame_mean=mean + 0.3,
        per_action={name: mean + index - 2.5 for index, name in enumerate(actions)},
    )


def values(mean, half=1.5, steps=1, probabilistic=False, hypotheses=1, actions=ACTIONS):
    spread = 1 - 1 / math.sqrt(hypotheses)
    return tuple(
        value(
            metric,
            aggregation,
            scale * (mean - GAIN[aggregation] * spread + 0.5 * (steps - step)),
            half,
            step,
            actions,
        )
        for step in range(1, steps + 1)
        for metric, scale in (("mpjpe", 1.0), ("p_mpjpe", 0.8))
        for aggregation in (("P-Agg", "J-Agg", "P-Best", "J-Best") if probabilistic else (None,))
    )


def latency(median, frames=27):
    return Latency(
        median_ms=median,
        p20_ms=0.9 * median,
        p80_ms=1.1 * median,
        p95_ms=1.3 * median,
        samples_ms=(0.9 * median, median, 1.1 * median),
        frames=frames,
        throughput_windows_per_s=4000 / median,
        throughput_batch=8,
    )


def record(
    method="mixste",
    *,
    train="cpn",
    test="cpn",
    mean=None,
    half=1.5,
    hypotheses=1,
    steps=1,
    variant="",
    seed=0,
    label="Made-up data",
    device="cpu",
    subset="all",
    selection="validation",
    flip=True,
    values_=None,
    options=None,
    actions=ACTIONS,
    title=None,
    warnings=(),
    label_given=None,
    median=None,
    prompt=None,
    **changes,
):
    probabilistic = method in PROBABILISTIC
    mean = BASE_ERROR[method] - (10 if test == "gt" else 0) if mean is None else mean
    experiment = {
        "method": {"name": method, "preset": "tiny", "options": options or {}},
        "data": {"name": "made_up", "root": None, "detections": train},
        "training": {"seed": seed, "selection": selection},
        "evaluation": {"detections": test, "hypotheses": hypotheses, "steps": steps, "flip": flip, "seed": 0},
    }
    text = repr((experiment, variant, label, device, subset, title, mean, sorted(changes)))
    identity = hashlib.sha256(text.encode()).hexdigest()
    trained = repr((experiment["method"], experiment["data"], experiment["training"], title, variant, label))
    median = 4.0 * hypotheses * steps if median is None else median
    fields = {
        "id": identity[:16],
        "training_id": hashlib.sha256(trained.encode()).hexdigest()[:16],
        "experiment": experiment,
        "method": method,
        "title": title or TITLES[method],
        "preset": "tiny",
        "variant": variant,
        "data": DataInfo(
            name="made_up",
            label=label,
            fingerprint=hashlib.sha256(f"{label}{train}{test}".encode()).hexdigest()[:16],
            train_detections=train,
            test_detections=test,
            subset=subset,
            windows=120,
            frames=3240,
            sequences=48,
            takes=tuple(Take(name=f"S9/{a} {n}", action=a, frames=270) for a in ACTIONS for n in range(2)),
            train_subjects=("S1", "S5"),
            test_subjects=("S9", "S11"),
        ),
        "conditions": Conditions(
            flip=flip,
            hypotheses=hypotheses,
            steps=steps,
            action_label_given=method == "finepose" if label_given is None else label_given,
            selection=selection,
            validation="every 10th take of the training subjects",
            training_seeds=(seed,),
            noise_seeds=(0,),
            notes=({"text encoder": "tiny, trained with the method"} if method == "finepose" else {})
            | ({"prompt": prompt} if prompt else {}),
        ),
        "values": values(mean, half, steps, probabilistic, hypotheses, actions) if values_ is None else values_,
        "cost": Cost(
            parameters=0 if method in ("mean_pose", "nearest_pose") else 1_234_567,
            frozen_parameters=0,
            flops_per_window=2_500_000_000 * hypotheses * steps,
            latency=latency(median),
            peak_memory_mb=512.0,
            memory_source="tensors that are alive at once, counted",
        ),
        "training": TrainingInfo(
            epochs=3,
            steps=300,
            seconds=12.0,
            windows_per_s=80.0,
            selected_epoch=2,
            loss=(0.9, 0.5, 0.4),
            validation_mpjpe=((1, mean + 9), (2, mean + 2), (3, mean + 3)),
        ),
        "environment": Environment(
            device=device,
            cpu="Made-up CPU",
            threads=2,
            platform="Linux-6.1-x86_64",
            python="3.11.9",
            driver=None,
            versions={"torch": "2.13.0", "numpy": "2.4.6"},
            warnings=warnings,
        ),
        "git_commit": "0123456789ab",
        "finished_at": "2026-01-01T00:00:00+00:00",
        "mlflow_run_id": identity[32:64],
        "input_frames": 81 if method == "tcn" else 27,
    }
    return Record(**(fields | changes))


def counted(made):
    return made.model_copy(update={"training": made.training.model_copy(update={"tflop": 0.5})})


def several(made, seeds=(0, 1, 2), spread=0.01):
    """The record as one of several trainings, which differ by little, as takes do, so that most gaps are found."""
    takes = np.resize([-spread, spread], len(made.data.takes))

    def trained(value):
        shifts = spread * (np.arange(len(seeds)) - (len(seeds) - 1) / 2)
        rows = value.action_mean + shifts[:, None] + takes
        return value.model_copy(update={"per_take": tuple(map(tuple, rows.tolist()))})

    conditions = made.conditions.model_copy(update={"training_seeds": tuple(seeds)})
    return made.model_copy(update={"values": tuple(map(trained, made.values)), "conditions": conditions})


def methods_records(**changes):
    """What the ablation of methods makes: six methods on detected and exact poses."""
    return [
        record(method, train=source, test=source, **sampling, median=cost, **changes)
        for source in ("cpn", "gt")
        for method, cost in MILLISECONDS.items()
        for sampling in [{"hypotheses": 10, "steps": 5} if method in PROBABILISTIC else {}]
    ]


def sampling_records():
    return [
        record(method, hypotheses=width, steps=steps, mean=BASE_ERROR[method] + 3 / steps + 2 / width)
        for method in PROBABILISTIC
        for width in (1, 5, 10)
        for steps in (1, 3, 5)
    ]


def prompt_records():
    return [
        record(
            "finepose", hypotheses=10, steps=5, mean=mean, variant=variant, label_given=not variant, prompt=prompt
        )
        for variant, prompt, mean in (("prompt=none", "none", 52.0), ("", "full", 49.5))
    ]


def runset(**tables):
    return RunSet(
        tables={
            name: RunSet.Table(title=f"Table {name}", layout=layout, ids=tuple(record.id for record in records))
            for name, (layout, records) in tables.items()
        },
        command="python -m bench ablate --preset tiny",
        created_at="2026-01-01T00:00:00+00:00",
    )


def examples(made, hypotheses=0, frames=(12, 8)):
    """Poses of a person of two sequences, who walks on the spot; what the run says of them is off by some cm."""
    joints = (
        "Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "Spine", "Thorax", "Neck/Nose", "Head",
        "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist",
    )  # fmt: skip
    x = np.array([0, -1, -1, -1, 1, 1, 1, 0, 0, 0, 0, 1.5, 2.5, 3, -1.5, -2.5, -3]) * 0.12
    y = np.array([0, 0, 4.5, 9, 0, 4.5, 9, -2.5, -5, -6, -7, -5, -3, -1, -5, -3, -1]) * 0.1
    number = sum(frames)
    phase = np.arange(number)[:, None] * 0.4
    swing = np.where(np.abs(y) > 0.2, np.sin(phase) * np.sign(x) * 0.2, 0)
    target = np.stack([np.broadcast_to(x, (number, 17)), np.broadcast_to(y, (number, 17)), swing], -1)
    random = np.random.default_rng(int(made.id[:8], 16))
    several = target[:, None] + random.normal(0, 0.03, (number, max(1, hypotheses), 17, 3))
    return Examples(
        keys=("S9/Walking 1", "S9/Jumping 1"),
        fps=np.array([50.0, 50.0]),
        joints=joints,
        parents=np.array([-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15]),
        left=np.isin(np.arange(17), [4, 5, 6, 11, 12, 13]),
        sequence=np.repeat([0, 1], frames),
        frame=np.concatenate([2 * np.arange(length) for length in frames]),
        pose_2d=((target[..., :2] + 0.3 * target[..., 2:]) / 4).astype(np.float16),
        target=target.astype(np.float16),
        answer=several.mean(1).astype(np.float16),
        hypotheses=several[:, :hypotheses].astype(np.float16),
    )
