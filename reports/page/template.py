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
from importlib.resources import files
from typing import Any

SCRIPTS = ("page.js", "tables.js", "record.js", "plot.js", "poses.js")
START = "start();\n"


def page(content: dict[str, Any]) -> str:
    """The text of ``index.html``.

    Args:
        content: what ``reports.page.content`` returns.
    """
    script = "".join(map(_text, SCRIPTS)) + START
    plotly = _plotly()
    parts = {
        "hashes": f"{_hash(script)} {_hash(plotly)}",
        "style": _text("page.css"),
        "content": _packed(json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))),
        "plotly": _packed(plotly),
        "script": script,
    }
    text = _text("index.html")
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
