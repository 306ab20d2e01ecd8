"""The quick part of ``data check``, for every data set that numbers are made with: a few frames a sequence."""

from __future__ import annotations

from dataclasses import replace

from bench.data.inspect.views import findings, measure
from bench.data.sequence import Dataset
from models.errors import InputError

FRAMES = 10  # of each sequence. Those of the complete Human3.6M, 836 sequences, take 0.3 s


def check_at_load(dataset: Dataset, place: str) -> Dataset:
    """Refuse data that cannot be right; what is doubtful becomes notes of the data, which tables print.

    Raises:
        InputError: the 3D poses are not before their cameras, the 2D poses are not where these cameras see the 3D
            poses, left and right differ, or many frames have no detections. The sentence is ``data check``'s, and
            ``place`` is where the data were read from.
    """
    views = measure(dataset.train + dataset.test, dataset.skeleton, FRAMES)
    found = findings(views) if views else []
    for finding in found:
        if finding.wrong:  # the first one explains the others
            raise InputError(
                f"{place}, {dataset.detections} detections: cannot be right ({finding.text}): correct the files; "
                "`data check` says more"
            )
    notes = [f"Doubtful, by data check: {finding.text}" for finding in found if finding.odd or finding.doubtful]
    return replace(dataset, notes=(*dataset.notes, *notes)) if notes else dataset
