"""The table of methods: a name and the place of its class, imported when it is asked for.

Another package adds a method through the entry-point group ``lifting_bench.methods``.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from bench.config.experiment import suggestion
from models.errors import InputError

if TYPE_CHECKING:
    from models.lifter import Lifter

METHODS = {
    "mean_pose": "baselines.trivial:MeanPose",
    "nearest_pose": "baselines.trivial:NearestPose",
    "tcn": "baselines.tcn:TCN",
    "anatomy": "baselines.anatomy:Anatomy",
    "pstmo": "baselines.pstmo:PSTMO",
    "mixste": "baselines.mixste:MixSTE",
    "poseformerv2": "baselines.poseformerv2:PoseFormerV2",
    "mhformer": "baselines.mhformer:MHFormer",
    "glagcn": "baselines.glagcn:GLAGCN",
    "motionbert": "baselines.motionbert:MotionBERT",
    "diffpose": "baselines.diffpose:DiffPose",
    "d3dp": "baselines.d3dp:D3DP",
    "finepose": "models.finepose.model:FinePOSE",
}

ENTRY_POINT_GROUP = "lifting_bench.methods"


def names() -> list[str]:
    """All known methods, the suite's own first."""
    return [*METHODS, *plugin_names()]


def plugin_names() -> list[str]:
    """The methods of other packages that are installed."""
    return sorted(_plugins().keys() - METHODS.keys())


def load(name: str) -> type[Lifter]:
    """The class of a method.

    Raises:
        InputError: no method has this name, or a plug-in does not import.
    """
    place = METHODS.get(name) or _plugins().get(name)
    if place is None:
        raise InputError(f"unknown method {name!r}: {suggestion(name, names())}")
    module, _, attribute = place.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"method {name!r} ({place}) cannot be imported: {error}") from error


def _plugins() -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
