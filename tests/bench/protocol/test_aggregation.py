from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bench.data.cameras.camera import project
from bench.protocol.aggregation import (
    Aggregation,
    Candidates,
    aggregate_errors,
    all_aggregations,
    deployable_poses,
    fitted_root,
    j_fit,
    p_median,
    single_errors,
)
from bench.protocol.metrics import MPJPE, P_MPJPE, joint_errors
from bench.results.record import GroundTruth
from models.errors import InputError
from models.lifter import Batch
from tests.bench.protocol import tensors

VECTORS = tensors("metrics.npz")
PRED = VECTORS["pred"]
ONE_CALL = torch.zeros(2, dtype=torch.int64)
NAMES = {"P-Agg": "p_agg", "J-Agg": "j_agg", "P-Best": "p_best", "J-Best": "j_best"}


def truth(seed: int | None = None) -> Batch:
    """The golden ground truth, or a random one of the same shapes."""
    batch = Batch(
        pose_2d=VECTORS["input_2d"],
        actions=("Walking", "Eating"),
        window_keys=torch.arange(2),
        pose_3d=VECTORS["target"],
        trajectory=VECTORS["root_traj"][:, :, 0],
        camera=VECTORS["camera"].expand(2, 9),
    )
    if seed is None:
        return batch
    noise = torch.randn(VECTORS["target"].shape, generator=torch.Generator().manual_seed(seed))
    noise[..., 0, :] = 0
    return Batch(
        batch.pose_2d, batch.actions, batch.window_keys, batch.pose_3d + noise / 3, batch.trajectory, batch.camera
    )


def random_predictions(seed: int, hypotheses: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 2, hypotheses, 5, 17, 3, generator=generator) / 3


@pytest.mark.parametrize(("metric", "prefix"), [("mpjpe", "out_"), ("p_mpjpe", "out_p2_")])
@pytest.mark.parametrize("name", NAMES)
def test_golden_values(metric: str, prefix: str, name: str) -> None:
    errors = aggregate_errors(PRED, truth(), calls=ONE_CALL)[4][metric, name]
    value = errors.mean((0, 2, 3)) / 1000
    torch.testing.assert_close(value, VECTORS[prefix + NAMES[name]], atol=1e-6, rtol=0)


def test_golden_choice_of_j_agg() -> None:
    errors = joint_errors(PRED, truth().pose_3d[:, None, None])
    expected = errors.gather(2, VECTORS["out_j_agg_index"].long()[:, :, None])[:, :, 0]
    assert torch.equal(aggregate_errors(PRED, truth())[4]["mpjpe", "J-Agg"][..., 1:], expected[..., 1:])


def test_kinds() -> None:
    kinds = {entry.name: (entry.kind, entry.looks_at.names) for entry in all_aggregations()}
    assert kinds == {
        "P-Agg": ("deployable", ()),
        "P-Median": ("deployable", ()),
        "J-Fit": ("deployable", ()),
        "RPEA-Fit": ("deployable", ()),
        "J-Agg": ("assisted", ("root trajectory",)),
        "RPEA": ("assisted", ("root trajectory",)),
        "P-Best": ("oracle", ("pose",)),
        "J-Best": ("oracle", ("pose",)),
    }
    deployable = [name for name, (kind, _) in kinds.items() if kind == "deployable"]
    assert deployable == list(deployable_poses(["RPEA-Fit"]))
    assert list(deployable_poses()) == ["P-Agg", "P-Median", "J-Fit"], "RPEA-Fit is timed where it is named"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_order_of_aggregations(seed: int, hypotheses: int) -> None:
    pred = random_predictions(seed, hypotheses)
    batch = truth(seed + 1)
    errors = {name: error.mean(-1) for name, error in aggregate_errors(pred, batch)[hypotheses].items()}
    for entry in (MPJPE, P_MPJPE):
        metric = entry.name
        mean = entry.compute(pred, batch.pose_3d[:, None, None]).mean((2, 3, 4))
        best, pose = errors[metric, "J-Best"], errors[metric, "P-Best"].mean(-1)
        assert (best.mean(-1) <= pose + 1e-3).all()
        assert (pose <= mean + 1e-3).all()
        assert (best <= errors[metric, "J-Agg"] + 1e-3).all()
        assert (best <= errors[metric, "J-Fit"] + 1e-3).all()
    assert (errors["mpjpe", "P-Agg"].mean(-1) <= mean_of_hypotheses(pred, batch) + 1e-3).all()


def mean_of_hypotheses(pred: Tensor, batch: Batch) -> Tensor:
    assert batch.pose_3d is not None
    return joint_errors(pred, batch.pose_3d[:, None, None]).mean((2, 3, 4))


@pytest.mark.parametrize("calls", [None, ONE_CALL])
def test_prefixes_equal_fewer_hypotheses(calls: Tensor | None) -> None:
    pred = random_predictions(3, 6)
    together = aggregate_errors(pred, truth(), prefixes=(1, 4, 6), calls=calls)
    assert list(together) == [1, 4, 6]
    for h, errors in together.items():
        alone = aggregate_errors(pred[:, :, :h].clone(), truth(), calls=calls)[h]
        for name, value in alone.items():
            torch.testing.assert_close(errors[name], value, atol=1e-3, rtol=0)


def test_one_hypothesis_is_the_same_under_all_aggregations() -> None:
    pred = random_predictions(0, 1)
    single = single_errors(pred, truth().pose_3d)
    for (metric, _), errors in aggregate_errors(pred, truth())[1].items():
        torch.testing.assert_close(errors, single[metric, None], atol=2e-2, rtol=0)


def test_frames_that_do_not_count_do_not_choose() -> None:
    pred = VECTORS["target"][:, None, None].repeat(1, 1, 2, 1, 1, 1)
    pred[:, :, 0, :3, 1:, 0] += 0.01
    pred[:, :, 1, 3:, 1:, 0] += 0.5
    counts = torch.zeros(2, 5, dtype=torch.bool)
    counts[:, :3] = True
    chosen = aggregate_errors(pred, truth(), counts)[2]["mpjpe", "P-Best"]
    torch.testing.assert_close(chosen[counts[:, None]], torch.zeros(6, 17), atol=1e-3, rtol=0)
    assert aggregate_errors(pred, truth())[2]["mpjpe", "P-Best"].mean(-1)[counts[:, None]].min() > 5


def test_windows_choose_apart_and_a_call_together() -> None:
    pred = VECTORS["target"][:, None, None].repeat(1, 1, 2, 1, 1, 1)
    pred[0, :, 0, :, 1:, 0] += 0.1
    pred[1, :, 1, :, 1:, 0] += 0.2
    apart = aggregate_errors(pred, truth())[2]["mpjpe", "P-Best"]
    together = aggregate_errors(pred, truth(), calls=ONE_CALL)[2]["mpjpe", "P-Best"]
    assert apart.max() < 1e-3
    assert together[0, ..., 1:].min() > 90
    assert together[1].max() < 1e-3


def test_the_root_is_found_from_exact_2d() -> None:
    batch = truth()
    root = fitted_root(batch.pose_3d[:, None], exact_2d(batch), batch.camera)
    torch.testing.assert_close(root[:, 0], batch.trajectory, atol=2e-3, rtol=0)


def exact_2d(batch: Batch) -> Tensor:
    return project(batch.pose_3d + batch.trajectory[:, :, None], batch.camera)


def test_j_fit_reads_no_ground_truth_and_agrees_with_j_agg_where_the_root_is_right() -> None:
    batch = replace(truth(), pose_2d=exact_2d(truth()))
    pred = batch.pose_3d[:, None, None] + random_predictions(1, 5)[:, :, :, :, :] / 50
    pred[..., 0, :] = 0
    blind = replace(batch, pose_3d=None, trajectory=None)
    pose = j_fit(pred, blind)
    errors = aggregate_errors(pred, batch)[5]
    expected = joint_errors(pose, batch.pose_3d[:, None])
    torch.testing.assert_close(expected, errors["mpjpe", "J-Fit"], atol=1e-3, rtol=0)
    same = (errors["mpjpe", "J-Fit"] - errors["mpjpe", "J-Agg"]).abs() < 1e-3
    assert same[..., 1:].float().mean() > 0.8


def test_the_median_ignores_a_hypothesis_that_is_far_off() -> None:
    target = VECTORS["target"][:, None, None]
    pred = target + random_predictions(2, 6)[:, :, :, :5] / 100
    pred[:, :, 0] += 2.0
    errors = aggregate_errors(pred, truth())[6]
    assert errors["mpjpe", "P-Median"].mean() < 0.1 * errors["mpjpe", "P-Agg"].mean()


def test_the_median_minimises_the_sum_of_distances() -> None:
    pred = random_predictions(4, 7).double()
    median = p_median(pred, truth())

    def cost(pose: Tensor) -> Tensor:
        return (pred - pose[:, :, None]).flatten(-2).norm(dim=-1).sum(2)

    for seed in range(5):
        step = torch.randn(median.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert (cost(median) <= cost(median + 0.02 * step) + 1e-4).all()
    assert (cost(median) <= cost(pred.mean(2)) + 1e-9).all()


def test_the_median_of_equal_poses_is_that_pose() -> None:
    pred = random_predictions(5, 1).expand(-1, -1, 4, -1, -1, -1)
    torch.testing.assert_close(p_median(pred, truth()), pred[:, :, 0])


def test_an_aggregation_is_shown_what_it_looks_at_and_no_more() -> None:
    seen = []

    def first(pred: Tensor, batch: Batch) -> Tensor:
        seen.append((batch.pose_3d is not None, batch.trajectory is not None))
        return pred[:, :, 0]

    looks = (GroundTruth(), GroundTruth(root_trajectory=True), GroundTruth(pose=True))
    entries = [Aggregation(str(number), given, "the first one", pose=first) for number, given in enumerate(looks)]
    errors = aggregate_errors(PRED, truth(), aggregations=entries)[4]
    assert seen == [(False, False), (False, True), (True, False)]
    picked: list[tuple[bool, bool]] = []

    def pick(candidates: Candidates, metric: str) -> Tensor:
        picked.append((metric in candidates.errors, candidates.reprojection is not None))
        return torch.zeros(1, 1, 1, 1, dtype=torch.int64)

    pickers = [replace(entry, pick=pick) for entry in entries]
    again = aggregate_errors(PRED, truth(), metrics=[MPJPE], aggregations=pickers)[4]
    assert picked == [(False, False), (False, True), (True, False)]
    torch.testing.assert_close(again["mpjpe", "0"], errors["mpjpe", "0"])
    assert [entry.kind for entry in entries] == ["deployable", "assisted", "oracle"]
    torch.testing.assert_close(errors["mpjpe", "0"], joint_errors(PRED[:, :, 0], truth().pose_3d[:, None]))


def test_an_aggregation_makes_a_pose_or_picks() -> None:
    for pick in (None, lambda candidates, metric: candidates.nearest_to_fit):
        with pytest.raises(InputError, match="'none' must make a pose, unless it picks by ground truth"):
            Aggregation("none", GroundTruth(), "nothing", pick=pick)
    with pytest.raises(InputError, match="'none' must make a pose"):
        Aggregation("none", GroundTruth(pose=True), "nothing")
