"""One file of HTML that holds everything: template, style, scripts; Plotly and the content gzipped.

The templates escape what stands in them as text. All other content goes in as base64 and comes out as text nodes,
or as tables that a template escaped. So no name can become markup; beside that the page's own policy lets a
browser run these scripts only, and fetch nothing.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from reports.writers.html import TEMPLATES

SCRIPTS = ("page.js", "tables.js", "record.js", "plot.js", "poses.js")
START = "start();\n"
POSE_SCRIPTS, START_POSES = ("page.js", "poses.js"), "startPoses();\n"


def page(content: dict[str, Any]) -> str:
    """The text of ``index.html``.

    Args:
        content: what ``reports.page.content`` returns.
    """
    return _filled("index.html", content, SCRIPTS, START, _plotly())


def poses_page(content: dict[str, Any]) -> str:
    """The text of a page that has the pose viewer alone.

    Args:
        content: ``poses``, as ``page`` takes them.
    """
    return _filled("footage.html", content, POSE_SCRIPTS, START_POSES)


def _filled(template: str, content: dict[str, Any], scripts: Sequence[str], start: str, plotly: str = "") -> str:
    """A template with its style, its content and its scripts in their places."""
    script = "".join(map(_text, scripts)) + start
    return TEMPLATES.get_template(f"page/{template}").render(
        content=content,
        packed=_packed(json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))),
        hashes=Markup(" ".join(_hash(code) for code in (script, plotly) if code)),
        plotly=_packed(plotly),
        script=Markup(script),
        style=Markup(_text("page.css")),
    )


def _text(name: str) -> str:
    return (files("reports.page") / name).read_text(encoding="utf-8")


@functools.cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


@functools.lru_cache(maxsize=2)
def _packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode("ascii")


def _hash(script: str) -> str:
    """The hash of a script as a content security policy writes it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')}'"
