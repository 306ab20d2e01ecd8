"""One file of HTML that holds everything: template, style, scripts; Plotly and the content gzipped.

Content goes in as base64 and comes out as text nodes, so no name of a method can become markup; beside that the
page's own policy lets a browser run these scripts only, and fetch nothing.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import json
import re
from importlib.resources import files
from typing import Any

SCRIPTS = ("page.js", "tables.js", "record.js", "plot.js", "poses.js")
START = "start();\n"
POSE_SCRIPTS, START_POSES = ("page.js", "poses.js"), "startPoses();\n"


def page(content: dict[str, Any]) -> str:
    """The text of ``index.html``.

    Args:
        content: what ``reports.page.content`` returns.
    """
    script = "".join(map(_text, SCRIPTS)) + START
    plotly = _plotly()
    hashes = f"{_hash(script)} {_hash(plotly)}"
    return _filled("index.html", content, hashes=hashes, plotly=_packed(plotly), script=script)


def poses_page(content: dict[str, Any]) -> str:
    """The text of a page that has the pose viewer alone.

    Args:
        content: ``poses`` and ``looks``, as ``page`` takes them.
    """
    script = "".join(map(_text, POSE_SCRIPTS)) + START_POSES
    viewer = re.search(r'<section id="poses".*?</section>', _text("index.html"), re.DOTALL)
    assert viewer is not None
    return _filled("footage.html", content, hashes=_hash(script), viewer=viewer[0], script=script)


def _filled(template: str, content: dict[str, Any], **parts: str) -> str:
    """A template with its style, its content and further parts in their places."""
    parts |= {
        "style": _text("page.css"),
        "content": _packed(json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))),
    }
    text = _text(template)
    for name, part in parts.items():
        text = text.replace(f"[[{name}]]", part)
    return text


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
