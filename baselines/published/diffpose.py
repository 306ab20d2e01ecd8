"""DiffPose: its published names; its checkpoints are two files, which are not imported."""

from __future__ import annotations

from typing import Any

from baselines.diffpose import DiffPose
from models.checkpoints.adapter import CheckpointAdapter, State
from models.errors import InputError

RENAMES = {"temb.dense.0.": "denoiser.temb.0.", "temb.dense.1.": "denoiser.temb.2.", "": "denoiser."}


REFUSAL = "a checkpoint of DiffPose holds one of its two networks and is not imported: train both here"


def sizes(state: State) -> dict[str, Any]:
    """Refuse: one file is half of the method."""
    raise InputError(REFUSAL)


ADAPTER = CheckpointAdapter(method="diffpose", lifter=DiffPose, renames=RENAMES, sizes=sizes, refusal=REFUSAL)
