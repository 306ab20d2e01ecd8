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
    fmpose3d,
    glagcn,
    ktpformer,
    metrics,
    mhformer,
    mixste,
    motionagformer,
    motionbert,
    optimizers,
    poseformerv2,
    pstmo,
    ranger,
    tcn,
    tcpformer,
    windows,
)
from tests.parity.vectors import Case

SUBJECTS = (
    anatomy,
    cameras,
    d3dp,
    diffpose,
    finepose,
    fmpose3d,
    glagcn,
    ktpformer,
    metrics,
    mhformer,
    mixste,
    motionagformer,
    motionbert,
    optimizers,
    poseformerv2,
    pstmo,
    ranger,
    tcn,
    tcpformer,
    windows,
)
CASES: dict[str, Case] = {name: case for module in SUBJECTS for name, case in module.CASES.items()}
"""The case of every known subject of a file."""
