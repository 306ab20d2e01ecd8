"""In what the recordings of two data sets differ, for results of a method that was trained on one of them."""

from __future__ import annotations

from collections import abc

import numpy as np

from bench.data.sequence import Sequence


def differences(trained: abc.Sequence[Sequence], tested: abc.Sequence[Sequence]) -> str:
    """What differs between training and test data, as "frames per second 50, tested at 25; …"; "" for nothing."""
    pairs = zip(_measures(trained).items(), _measures(tested).values(), strict=True)
    return "; ".join(f"{name} {mine}, tested at {its}" for (name, mine), its in pairs if mine != its)


def _measures(sequences: abc.Sequence[Sequence]) -> dict[str, str]:
    depth = np.concatenate([sequence.trajectory[sequence.counted, 2] for sequence in sequences])
    focal = [float(sequence.intrinsics[0]) * sequence.width / 2 for sequence in sequences]
    return {
        "frames per second": _listed({f"{sequence.fps:g}" for sequence in sequences}),
        "image size": _listed({f"{sequence.width}×{sequence.height}" for sequence in sequences}),
        "focal length (px, median)": f"{np.median(focal):.0f}",
        "distance of the root (m, median)": f"{np.median(depth):.1f}",
    }


def _listed(words: set[str]) -> str:
    return " and ".join(sorted(words))
