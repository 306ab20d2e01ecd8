"""Where in the code a failure came from."""

from __future__ import annotations

import re
from importlib.metadata import distributions
from pathlib import Path

PACKAGES = ("models", "baselines", "bench", "ablations", "reports")

_ROOT = Path(__file__).parents[2]
_FRAME = re.compile(r'^\s*File "(.+)", line (\d+)', re.MULTILINE)


def place_of(details: str) -> str:
    """The innermost line of the suite or of a plug-in in a traceback.

    Args:
        details: a traceback as Python prints it.

    Returns:
        "FILE:LINE", the file as it is called within its package; "" where there is none.
    """
    points = (point for package in distributions() for point in package.entry_points)
    plugins = {point.module.split(".")[0] for point in points if point.group.startswith("lifting_bench.")}
    for file, line in reversed(_FRAME.findall(details)):
        path = Path(file)
        if path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0] in PACKAGES:
            return f"{path.relative_to(_ROOT)}:{line}"
        for plugin in plugins.intersection((*path.parts, path.stem)):
            parts = path.parts
            start = len(parts) - 1 - parts[::-1].index(plugin) if plugin in parts else len(parts) - 1
            return f"{Path(*parts[start:])}:{line}"
    return ""
