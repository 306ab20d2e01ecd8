"""A page with the pose viewer alone, for poses that were lifted from own key points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.config.registry import METHODS
from bench.results.files import write_text
from bench.results.footage import ShownPoses
from models.skeleton import HUMAN36M
from reports.figures.looks import look_of
from reports.page.template import poses_page
from reports.page.viewer import PER_METRE, stored, stored_input

NOTE = "Lifted from 2D key points without ground truth: nothing here says how far off a pose is."


def write_page(path: Path, several: Sequence[ShownPoses]) -> None:
    """Write a page that shows poses of several methods for the same key points, or of one."""
    first = several[0]
    scene = {
        "title": f"{first.source}, frames {first.frames[0]} to {first.frames[-1]}",
        "frames": len(first.frames),
        "fps": first.fps,
        "parents": list(HUMAN36M.parents),
        "right": [joint in HUMAN36M.right for joint in range(len(HUMAN36M.joints))],
        "truth": None,
        "input": stored_input(first.screen),
        "methods": list(map(_method, several)),
    }
    write_text(path, poses_page({"poses": {"note": NOTE, "scenes": [scene]}}))


def _method(shown: ShownPoses) -> dict[str, Any]:
    names = {lifter.title: name for name, lifter in METHODS.available()}
    return {
        "run": None,
        "name": shown.method,
        "colour": look_of(names.get(shown.method, shown.method)).colour,
        "answer": stored(shown.poses, PER_METRE),
        "hypotheses": [],
    }
