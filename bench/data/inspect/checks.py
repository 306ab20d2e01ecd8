"""Checks whether a data set can be right: limits that the numbers of any recording of people keep to.

Each check gives one line with the numbers that it judges by. A "problem" makes results wrong or meaningless; a
"note" only limits what results may be called.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bench.data.inspect.stature import Line, judge_stature
from bench.data.inspect.views import findings, measure, share
from bench.data.sequence import Dataset, Sequence
from models.errors import InputError
from models.skeleton import Skeleton

BONE = (0.01, 0.8)  # metres
CHANGING = (0.05, 0.2)
"""Standard deviation of a bone's length by its mean: of the limbs, and where shoulders and spine move."""
UNEQUAL = 0.15  # difference of a left and a right bone by their mean
FASTEST = 25.0  # m/s that one joint in a thousand may exceed
FRAME_RATES = (5.0, 500.0)
BENT = 0.03  # metres of a knee off the line from hip to ankle


@dataclass(frozen=True)
class _Body:
    """Measures of one sequence without its cameras, over the frames that count.

    Attributes:
        finite: whether all its numbers are, also of frames that do not count.
        bones: ``[T, bones]`` lengths in metres.
        fast: speed that one joint in a thousand exceeds, m/s.
        knees: frames of both legs with a knee that bends forward, frames with a bent one; None for a skeleton
            without knees, or without two sides above them.
    """

    sequence: Sequence
    finite: bool
    bones: np.ndarray
    fast: float
    knees: tuple[int, int] | None


def check(
    dataset: Dataset, complete: tuple[int, int] | None = None, changing: float = CHANGING[0]
) -> Iterator[Line]:
    """Verdicts on a data set of any reader, one line a check; for ``complete`` and ``changing`` see ``Reader``."""
    everything, skeleton = dataset.train + dataset.test, dataset.skeleton
    views, bodies = [], []
    for sequence in tqdm(everything, desc="check", unit="sequence", disable=None):
        views += measure([sequence], skeleton)
        bodies.append(_body(sequence, skeleton))
    yield from (("problem", sentence) for sentence in dataset.unusable)
    yield from (("note", note) for note in dataset.notes)
    yield _frames(dataset, complete)
    yield _subjects(dataset)
    yield _finite(bodies)
    yield _frame_rates(bodies)
    for finding in findings(views):
        yield finding.verdict, finding.text
    yield _knees(bodies)
    yield from _bones(skeleton, bodies, changing)
    if any(sequence.confidence is not None for sequence in everything):
        yield _confidence(everything)


def checksums(root: Path, suffixes: tuple[str, ...]) -> Iterator[Line]:
    """Size and SHA-256 of a file, or of the files in a folder, whose names end so (``Reader.suffixes``).

    Raises:
        InputError: there is no such file or folder, or it cannot be read.
    """
    if not os.path.exists(root):  # False for names that no file can have
        raise InputError(f"{root} is not there: name the folder that has the files of the data set")
    files = [root] if root.is_file() else sorted(root.iterdir())
    for path in (path for path in files if path.suffix.lower() in suffixes and path.is_file()):
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}): correct its permissions") from None
        yield "ok", f"{path.name}: {path.stat().st_size:,} bytes, SHA-256 {digest}"


def _body(sequence: Sequence, skeleton: Skeleton) -> _Body:
    counts = sequence.counted
    whole = sequence.pose_3d.astype(np.float64) + sequence.trajectory[:, None]
    steps = np.linalg.norm(np.diff(whole, axis=0), axis=-1)[counts[1:] & counts[:-1]] * sequence.fps
    pose = sequence.pose_3d[counts].astype(np.float64)
    parents, children = [parent for parent, _ in skeleton.bones], [child for _, child in skeleton.bones]
    return _Body(
        sequence=sequence,
        finite=bool(np.isfinite(whole).all() and np.isfinite(sequence.pose_2d).all()),
        bones=np.linalg.norm(pose[:, children] - pose[:, parents], axis=-1).astype(np.float32),
        fast=float(np.percentile(steps, 99.9)) if steps.size else 0.0,
        knees=_forward_knees(pose, skeleton),
    )


def _forward_knees(pose: np.ndarray, skeleton: Skeleton) -> tuple[int, int] | None:
    """Knees that bend forward, and knees that are bent, where forward is left × up of the body.

    Exchanged sides or a mirrored axis turn every one of them.
    """
    legs = [
        (skeleton.parents[knee], knee, skeleton.parents.index(knee))
        for knee, name in enumerate(skeleton.joints)
        if "knee" in name.lower() and knee in skeleton.parents
    ]
    paired = {*skeleton.left, *skeleton.right}
    left, right = (
        [joint for joint in side if skeleton.parents[joint] not in paired]
        for side in (skeleton.left, skeleton.right)
    )
    hips = [hip for hip, _, _ in legs]
    shoulders = [joint for joint in left + right if joint not in hips]
    if not (legs and left and right and shoulders):
        return None
    across = pose[:, left].mean(axis=1) - pose[:, right].mean(axis=1)
    forward = np.cross(across, pose[:, shoulders].mean(axis=1) - pose[:, hips].mean(axis=1))
    forward /= np.maximum(np.linalg.norm(forward, axis=-1, keepdims=True), 1e-9)
    ahead, bent = [], []
    for hip, knee, ankle in legs:
        leg = pose[:, ankle] - pose[:, hip]
        thigh = pose[:, knee] - pose[:, hip]
        off = thigh - leg * ((thigh * leg).sum(-1) / np.maximum((leg * leg).sum(-1), 1e-9))[:, None]
        bent.append(np.linalg.norm(off, axis=-1) > BENT)
        ahead.append((off * forward).sum(-1) > 0)
    return int((np.stack(ahead) & np.stack(bent)).sum()), int(np.stack(bent).sum())


def _line(fine: bool, text: str) -> Line:
    return ("ok" if fine else "problem"), text


def _frames(dataset: Dataset, complete: tuple[int, int] | None) -> Line:
    """Frame counts beside those of the complete set."""
    counts = sum(map(len, dataset.train)), sum(map(len, dataset.test))
    found = f"frames: {counts[0]:,} for training, {counts[1]:,} for testing"
    if complete is None:
        return "ok", f"{found}, called '{dataset.label}'"
    if counts == complete:
        return "ok", f"{found}, the complete set"
    whole = f"the complete set has {complete[0]:,} and {complete[1]:,}"
    return "note", f"{found}; {whole}, so that results are called '{dataset.label}'"


def _subjects(dataset: Dataset) -> Line:
    train, test = ({sequence.subject for sequence in part} for part in (dataset.train, dataset.test))
    takes = len({sequence.take for sequence in dataset.train + dataset.test})
    text = f"subjects: {' '.join(sorted(train))} for training, {' '.join(sorted(test))} for testing, {takes} takes"
    shared = {sequence.take for sequence in dataset.train} & {sequence.take for sequence in dataset.test}
    if shared:
        return "problem", f"{text}; {min(shared)} is in both"
    return ("note", f"{text}; who is in both is known from training") if train & test else ("ok", text)


def _finite(bodies: list[_Body]) -> Line:
    bad = [body.sequence.key for body in bodies if not body.finite]
    first = f", the first is {bad[0]}" if bad else ""
    return _line(not bad, f"finite: {len(bad)} sequences of {len(bodies)} have NaN or infinite coordinates{first}")


def _frame_rates(bodies: list[_Body]) -> Line:
    rates = sorted({body.sequence.fps for body in bodies})
    fast, key = _worst(bodies, lambda body: body.fast)
    fine = FRAME_RATES[0] <= rates[0] and rates[-1] <= FRAME_RATES[1] and fast < FASTEST
    shown = " and ".join(f"{rate:g}" for rate in rates)
    return _line(
        fine, f"time: {shown} frames per second, 999 of 1,000 joints move below {fast:.1f} m/s (fastest {key})"
    )


def _knees(bodies: list[_Body]) -> Line:
    """Each subject by itself: sides may be exchanged in the data of one only."""
    by_subject: dict[str, list[tuple[int, int]]] = {}
    for body in bodies:
        if body.knees is not None:
            by_subject.setdefault(body.sequence.subject, []).append(body.knees)
    if not by_subject:
        return "note", "facing: the skeleton lacks knees or two sides above them, so that it was not checked"
    shares = {name: share(*map(sum, zip(*counts, strict=True))) for name, counts in by_subject.items()}
    subject = min(shares, key=lambda name: shares[name])
    return _line(
        shares[subject] > 0.6,
        f"facing: {shares[subject]:.1%} of bent knees or more point forward (least in {subject}); exchanged sides "
        "or a mirrored axis would turn them back",
    )


def _bones(skeleton: Skeleton, bodies: list[_Body], changing: float) -> Iterator[Line]:
    """Lengths, their constancy and their symmetry, by subject; ``changing`` as in ``check``."""
    if not skeleton.bones:
        yield "note", "bones: the skeleton has none, so that their lengths were not checked"
        return
    names = [f"{skeleton.joints[parent]}-{skeleton.joints[child]}" for parent, child in skeleton.bones]
    subjects = list(dict.fromkeys(body.sequence.subject for body in bodies))
    lengths = [
        np.concatenate([body.bones for body in bodies if body.sequence.subject == name]) for name in subjects
    ]
    mean = np.stack([frames.mean(axis=0, dtype=np.float64) for frames in lengths])
    fine = BONE[0] < mean.min() and mean.max() < BONE[1]
    yield _line(
        fine,
        f"bones: {1000 * mean.min():.0f} mm ({names[mean.argmin() % len(names)]}) to {1000 * mean.max():.0f} mm "
        f"({names[mean.argmax() % len(names)]})",
    )
    yield judge_stature(skeleton, subjects, mean)
    change = np.stack([frames.std(axis=0, dtype=np.float64) for frames in lengths]) / np.maximum(mean, 1e-9)
    paired = {*skeleton.left, *skeleton.right}
    limbs = np.array([paired.issuperset(bone) for bone in skeleton.bones])
    most, others = (change[:, which].max(initial=0.0) for which in (limbs, ~limbs))
    first = np.argwhere((change == most) & limbs)[:1]
    where = "".join(f" ({names[bone]} of {subjects[subject]})" for subject, bone in first)
    verdict, text = _line(
        most < max(changing, CHANGING[0]) and others < CHANGING[1],
        f"rigid: bones of a limb change by {most:.2%} at most{where}, others by {others:.2%}",
    )
    known = verdict == "ok" and most >= CHANGING[0]
    yield ("note", f"{text}; the published annotation of this data set does so too") if known else (verdict, text)
    if not skeleton.mirrored_bones:
        yield "note", "symmetric: no bone of the skeleton has a mirror image, so that this was not checked"
        return
    left, right = (list(side) for side in zip(*skeleton.mirrored_bones, strict=True))
    unequal = 2 * np.abs(mean[:, left] - mean[:, right]) / np.maximum(mean[:, left] + mean[:, right], 1e-9)
    subject, pair = np.unravel_index(unequal.argmax(), unequal.shape)
    yield _line(
        unequal.max() < UNEQUAL,
        f"symmetric: left and right bones differ by {unequal.max():.2%} at most ({names[left[pair]]} of "
        f"{subjects[subject]})",
    )


def _confidence(sequences: tuple[Sequence, ...]) -> Line:
    given = [sequence.confidence for sequence in sequences if sequence.confidence is not None]
    values = np.concatenate([array.ravel() for array in given])
    fine = len(given) == len(sequences) and values.min() >= 0 and values.max() <= 1 and values.std() > 0
    where = f"in {len(given)} sequences of {len(sequences)}"
    return _line(fine, f"confidence: {values.min():.2f} to {values.max():.2f}, mean {values.mean():.2f}, {where}")


def _worst(bodies: list[_Body], weigh: Callable[[_Body], float]) -> tuple[float, str]:
    """Greatest measure of a sequence, and the name of that sequence."""
    values = [weigh(body) for body in bodies]
    place = int(np.argmax(values))  # which takes NaN for the greatest
    return values[place], bodies[place].sequence.key
