"""What the golden files are about: one module a method or a subject, each with its ``CASES``.

The subject of a file is its ``config["model"]``, or ``config["what"]``, or ``config["content"]``.
"""

from __future__ import annotations

from tests.parity.cases import (
    anatomy,
    cameras,
    d3dp,
    diffpose,
    finepose,
    glagcn,
    metrics,
    mhformer,
    mixste,
    motionbert,
    poseformerv2,
    pstmo,
    ranger,
    tcn,
    windows,
)
from tests.parity.vectors import Case

CASES: dict[str, Case] = {
    **anatomy.CASES,
    **cameras.CASES,
    **d3dp.CASES,
    **diffpose.CASES,
    **finepose.CASES,
    **glagcn.CASES,
    **metrics.CASES,
    **mhformer.CASES,
    **mixste.CASES,
    **motionbert.CASES,
    **poseformerv2.CASES,
    **pstmo.CASES,
    **ranger.CASES,
    **tcn.CASES,
    **windows.CASES,
}
"""The case of every known subject."""
