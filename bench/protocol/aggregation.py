"""From H hypotheses to one error per joint and frame: the aggregations of the field, and two of our own.

Shapes: B windows, K steps, H hypotheses, F frames, J joints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from bench.config.registry import AGGREGATIONS
from bench.data.cameras.camera import viewing_rays
from bench.protocol.metrics import MPJPE, P_MPJPE, Metric
from bench.results.record import GroundTruth, ValueKind
from models.camera import project_apart
from models.errors import InputError
from models.lifter import Batch

NamedErrors = dict[tuple[str, str | None], Tensor]
"""(metric, aggregation) → ``[B, K, F, J]``."""

MEDIAN_ITERATIONS = 16


@dataclass(frozen=True)
class Candidates:
    """H hypotheses, and what an aggregation picks among them by, as far as it may look at that.

    Attributes:
        pred: ``[B, K, H, F, J, 3]`` metres, root-relative.
        truth: 2D input, camera and ground truth.
        errors: metric → ``[B, K, H, F, J]`` errors of the joints; empty for one that does not look at the pose.
        window_errors: metric → ``[B, K, H]`` their sums over the counted frames of a window or of a call; empty
            where ``errors`` is.
        reprojection: ``[B, K, H, F, J]`` squared distances of the projected joints from the 2D input, with the
            true root; None for one that does not look at the root.
    """

    pred: Tensor
    truth: Batch
    errors: Mapping[str, Tensor]
    window_errors: Mapping[str, Tensor]
    reprojection: Tensor | None

    @cached_property
    def nearest(self) -> Tensor:
        """``[B, K, F, J]``: for each joint the hypothesis whose reprojection is nearest to the 2D input."""
        assert self.reprojection is not None, "looks_at does not name the root trajectory"
        return self.reprojection.min(2).indices

    @cached_property
    def nearest_to_fit(self) -> Tensor:
        """The same with the root where it fits the mean pose best; no ground truth is read."""
        return _nearest_to_fit(self.pred, self.truth)

    def first(self, h: int) -> Candidates:
        """The first ``h`` of the hypotheses."""
        return replace(
            self,
            pred=self.pred[:, :, :h],
            errors={metric: errors[:, :, :h] for metric, errors in self.errors.items()},
            window_errors={metric: errors[:, :, :h] for metric, errors in self.window_errors.items()},
            reprojection=None if self.reprojection is None else self.reprojection[:, :, :h],
        )

    def shown_to(self, looks_at: GroundTruth) -> Candidates:
        """The same without what follows from ground truth that an aggregation does not look at."""
        shown = self
        if not looks_at.pose:
            shown = replace(shown, truth=replace(shown.truth, pose_3d=None), errors={}, window_errors={})
        if not looks_at.root_trajectory:
            shown = replace(shown, truth=replace(shown.truth, trajectory=None), reprojection=None)
        return shown


@dataclass(frozen=True)
class Aggregation:
    """A way to make one pose (or one error) of H hypotheses, and all that is known of it.

    Attributes:
        name: what tables print; its key in the registry.
        looks_at: the ground truth that it is given beside the input.
        rule: what its error is of, in one line.
        pose: (pred ``[B, K, H, F, J, 3]``, truth) → the pose ``[B, K, F, J, 3]`` that a user of the method would
            get. The truth holds the 2D input, the camera, and no more ground truth than ``looks_at`` names.
        pick: (candidates, metric) → the number of the hypothesis that each joint is taken from, ``[B, K, F, J]``
            or broadcasting to that; errors are then those of the picked joints. Without it, errors are those of
            ``pose``. One of the two is needed; without ground truth it is ``pose``, whose time is measured.
        version: raised when the same hypotheses would give another number.
    """

    name: str
    looks_at: GroundTruth
    rule: str
    pose: Callable[[Tensor, Batch], Tensor] | None = None
    pick: Callable[[Candidates, str], Tensor] | None = None
    version: int = 1

    def __post_init__(self) -> None:
        if self.pose is None and (self.pick is None or self.kind == "deployable"):
            raise InputError(
                f"aggregation {self.name!r} must make a pose, unless it picks by ground truth; give it `pose`"
            )

    @property
    def kind(self) -> ValueKind:
        """Deployable, assisted or oracle: it follows from what is looked at."""
        if self.looks_at.pose:
            return "oracle"
        return "assisted" if self.looks_at.root_trajectory else "deployable"


def all_aggregations(own: bool = True) -> tuple[Aggregation, ...]:
    """The suite's aggregations in the order of tables (none without ``own``), then those of other packages."""
    return tuple(replace(entry, name=name) for name, entry in AGGREGATIONS.instances(Aggregation, own))


def computed_aggregations(named: Iterable[str] = ()) -> tuple[Aggregation, ...]:
    """All aggregations but those that are computed on request only and are not ``named``."""
    unnamed = set(AGGREGATIONS.on_request).difference(named)
    return tuple(entry for entry in all_aggregations() if entry.name not in unnamed)


def deployable_poses(named: Iterable[str] = ()) -> dict[str, Callable[[Tensor, Batch], Tensor]]:
    """Name → pose of those ``computed_aggregations`` that need no ground truth for it: what a user would run."""
    computed = computed_aggregations(named)
    return {entry.name: entry.pose for entry in computed if entry.pose and entry.kind == "deployable"}


def single_errors(pred: Tensor, pose_3d: Tensor, metrics: Iterable[Metric] = (MPJPE, P_MPJPE)) -> NamedErrors:
    """Errors ``[B, K, F, J]`` (mm) of a method without hypotheses, predictions ``[B, K, 1, F, J, 3]``."""
    one, target = pred[:, :, 0], pose_3d[:, None]
    return {(metric.name, None): metric.compute(one, target) for metric in metrics if metric.level == "joint"}


def aggregate_errors(
    pred: Tensor,
    truth: Batch,
    counts: Tensor | None = None,
    prefixes: Sequence[int] | None = None,
    calls: Tensor | None = None,
    metrics: Iterable[Metric] = (MPJPE, P_MPJPE),
    aggregations: Sequence[Aggregation] | None = None,
) -> dict[int, NamedErrors]:
    """Errors of every joint under every aggregation, for several numbers of hypotheses at once.

    Errors, alignments and reprojections of single hypotheses are computed once and shared by all prefixes. Under
    "p_mpjpe" every hypothesis is aligned on its own before joints are picked (J-Best, J-Agg, J-Fit); P-Agg and
    P-Median make a pose first and align that. J-Agg and J-Fit always pick by the reprojection of the poses as
    given.

    Source: Shan et al., "Diffusion-based 3D human pose estimation with multi-hypothesis aggregation" (D3DP), ICCV
    2023: JPMA is J-Agg; P-Agg, P-Best and J-Best are the settings of its tables. P-Median and J-Fit are ours.

    Args:
        pred: ``[B, K, H, F, J, 3]`` metres, root-relative.
        truth: with ground truth and camera, ``pose_2d`` ``[B, F, J, 2]`` without context frames.
        counts: ``[B, F]`` bool, the frames of a window that P-Best judges it by; all by default.
        prefixes: numbers of hypotheses H' ≤ H; the first H' are used. H itself by default.
        calls: ``[B]`` int64, windows with the same number share P-Best's choice, as those of one call do in the
            published code; every window chooses for itself by default.
        metrics: those of level "joint" are computed.
        aggregations: all that there are by default.

    Returns:
        H' → (metric, aggregation) → ``[B, K, F, J]`` millimetres.
    """
    assert truth.pose_3d is not None
    assert truth.trajectory is not None
    target = truth.pose_3d[:, None, None]
    by_joint = {metric.name: metric for metric in metrics if metric.level == "joint"}
    errors = {name: metric.compute(pred, target) for name, metric in by_joint.items()}
    candidates = Candidates(
        pred,
        truth,
        errors,
        {metric: _window_errors(error, counts, calls) for metric, error in errors.items()},
        reprojection_errors(pred, truth.trajectory[:, None], truth),
    )
    entries = all_aggregations() if aggregations is None else aggregations
    return {h: _errors(candidates.first(h), by_joint, entries) for h in (prefixes or (pred.shape[2],))}


def _errors(
    candidates: Candidates, metrics: Mapping[str, Metric], aggregations: Sequence[Aggregation]
) -> NamedErrors:
    """Errors under every metric and aggregation, in this order."""
    assert candidates.truth.pose_3d is not None
    target = candidates.truth.pose_3d[:, None]
    shown = {entry.name: candidates.shown_to(entry.looks_at) for entry in aggregations}
    poses = {
        entry.name: entry.pose(candidates.pred, shown[entry.name].truth)
        for entry in aggregations
        if entry.pose is not None and entry.pick is None
    }
    result: NamedErrors = {}
    for name, metric in metrics.items():
        for entry in aggregations:
            result[name, entry.name] = (
                metric.compute(poses[entry.name], target)
                if entry.pick is None
                else _picked(candidates.errors[name], entry.pick(shown[entry.name], name))
            )
    return result


def p_agg(pred: Tensor, truth: Batch) -> Tensor:
    """Mean pose ``[B, K, F, J, 3]`` of ``[B, K, H, F, J, 3]``."""
    return pred.mean(2)


def p_median(pred: Tensor, truth: Batch) -> Tensor:
    """Geometric median of the H poses of each frame: the pose with the smallest sum of distances to them.

    Distances are those of whole poses (root mean square over joints up to a factor), so one hypothesis that is
    far off counts little. Weiszfeld's iteration runs on inner products of poses, ``MEDIAN_ITERATIONS`` times from
    the mean; a pose that meets a hypothesis stays there.

    Source: Weiszfeld (1937); Vardi and Zhang, PNAS 97 (2000), for the start and the guard against division by 0.

    Args:
        pred: ``[B, K, H, F, J, 3]``.
        truth: not read.

    Returns:
        ``[B, K, F, J, 3]``.
    """
    poses = pred.transpose(2, 3).flatten(-2)
    centred = poses - poses.mean(-2, keepdim=True)
    gram = centred @ centred.mT
    own = gram.diagonal(dim1=-2, dim2=-1)
    floor = 1e-12 + 1e-8 * own.mean(-1, keepdim=True)
    weights = torch.full_like(own, 1 / own.shape[-1])
    for _ in range(MEDIAN_ITERATIONS):
        across = (gram @ weights[..., None])[..., 0]
        squared = own - 2 * across + (weights * across).sum(-1, keepdim=True)
        weights = (squared.clamp(min=0) + floor).rsqrt()
        weights = weights / weights.sum(-1, keepdim=True)
    median = (weights[..., None, :] @ poses)[..., 0, :]
    return median.unflatten(-1, pred.shape[-2:])


def j_fit(pred: Tensor, truth: Batch) -> Tensor:
    """Per joint the hypothesis whose reprojection is nearest, the root placed by ``fitted_root`` of the mean pose.

    Args:
        pred: ``[B, K, H, F, J, 3]``.
        truth: ``pose_2d`` and ``camera``; no ground truth is read.

    Returns:
        ``[B, K, F, J, 3]``.
    """
    return _picked(pred, _nearest_to_fit(pred, truth)[..., None])


P_AGG = Aggregation("P-Agg", GroundTruth(), "mean pose of all hypotheses", pose=p_agg)
P_MEDIAN = Aggregation("P-Median", GroundTruth(), "per frame, the geometric median of all poses", pose=p_median)
J_FIT = Aggregation(
    "J-Fit",
    GroundTruth(),
    "J-Agg with the root placed by least squares from the 2D input, the mean pose and the intrinsics",
    pose=j_fit,
    pick=lambda candidates, metric: candidates.nearest_to_fit,
)
J_AGG = Aggregation(
    "J-Agg",
    GroundTruth(root_trajectory=True),
    "per joint, the hypothesis whose reprojection is nearest to the 2D input (JPMA)",
    pick=lambda candidates, metric: candidates.nearest,
)
P_BEST = Aggregation(
    "P-Best",
    GroundTruth(pose=True),
    "per window, the hypothesis with the smallest error",
    pick=lambda candidates, metric: candidates.window_errors[metric].min(2).indices[..., None, None],
)
J_BEST = Aggregation(
    "J-Best",
    GroundTruth(pose=True),
    "per joint and frame, the hypothesis with the smallest error",
    pick=lambda candidates, metric: candidates.errors[metric].min(2).indices,
)


def fitted_root(pose: Tensor, pose_2d: Tensor, camera: Tensor) -> Tensor:
    """Root position that brings a root-relative pose onto its 2D joints, in closed form.

    With the viewing ray (a, b, 1) of a joint, x = a z and y = b z are linear in the root; their squared residuals
    over all joints are minimised, frame by frame.

    Args:
        pose: ``[B, K, F, J, 3]`` metres, root-relative, camera axes.
        pose_2d: ``[B, F, J, 2]`` normalised screen coordinates.
        camera: ``[B, 9]`` as in ``Batch``.

    Returns:
        ``[B, K, F, 3]`` metres.
    """
    rays = viewing_rays(pose_2d, camera)[:, None]
    offset = rays * pose[..., 2:] - pose[..., :2]
    centre, mean_offset = rays.mean(-2, keepdim=True), offset.mean(-2, keepdim=True)
    spread = rays - centre
    depth = -(spread * (offset - mean_offset)).sum((-2, -1)) / spread.square().sum((-2, -1)).clamp(min=1e-12)
    sideways = mean_offset[..., 0, :] + centre[..., 0, :] * depth[..., None]
    return torch.cat([sideways, depth[..., None]], dim=-1)


def _picked(values: Tensor, hypothesis: Tensor) -> Tensor:
    """``[B, K, F, J, …]`` out of ``[B, K, H, F, J, …]``: those of the numbered hypotheses, which broadcast."""
    index = hypothesis.unsqueeze(2).expand(*values.shape[:2], 1, *values.shape[3:])
    return values.gather(2, index).squeeze(2)


def _window_errors(error: Tensor, counts: Tensor | None, calls: Tensor | None) -> Tensor:
    """``[B, K, H]``: sum of errors over the counted frames of a window or of a call, which P-Best minimises."""
    per_frame = error.mean(-1)
    weights = torch.ones_like(per_frame[:, 0, 0]) if counts is None else counts.to(per_frame.dtype)
    total = (per_frame * weights[:, None, None]).sum(-1)
    if calls is None:
        return total
    number = calls.unique(return_inverse=True)[1]
    return torch.zeros_like(total).index_add_(0, number, total)[number]


def _nearest_to_fit(pred: Tensor, truth: Batch) -> Tensor:
    """``[B, K, F, J]``: J-Fit's choice among the hypotheses."""
    assert truth.camera is not None
    root = fitted_root(p_agg(pred, truth), truth.pose_2d, truth.camera)
    return reprojection_errors(pred, root, truth).min(2).indices


def reprojection_errors(pred: Tensor, root: Tensor, truth: Batch) -> Tensor:
    """``[B, K, H, F, J]``: squared distance of projected joints from the 2D input; root ``[B, 1 or K, F, 3]``."""
    assert truth.camera is not None
    across, down = project_apart(pred + root[:, :, None, :, None], truth.camera)
    u, v = truth.pose_2d[:, None, None].unbind(-1)
    return (across - u).square() + (down - v).square()
