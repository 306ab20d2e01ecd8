"""Plain text escaped for LaTeX and for Markdown."""

from __future__ import annotations

import re

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    '"': r"\textquotedbl{}",
    "†": r"\textsuperscript{\textdagger}",
    "‡": r"\textsuperscript{\textdaggerdbl}",
    "§": r"\textsuperscript{\S}",
    "≈": r"$\approx$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "→": r"$\to$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "−": r"$-$",
    "Δ": r"$\Delta$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "µ": r"\textmu{}",
    "μ": r"\textmu{}",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "\u00a0": "~",
}
_LIGATURES = re.compile(r"([-<>,`'!?])(?=\1)")


def latex(text: str) -> str:
    """Escape for T1-encoded pdfLaTeX. Characters that it has no glyph for become ``[U+XXXX]``."""
    separated = _LIGATURES.sub("\\1\0", text)
    return "".join("{}" if character == "\0" else _latex_character(character) for character in separated)


def latex_breakable(text: str) -> str:
    """As ``latex``, with line breaks allowed inside long words (paths, identifiers, versions)."""
    return " ".join(_with_breaks(word) if len(word) > 20 else latex(word) for word in text.split(" "))


def markdown(text: str) -> str:
    """Escape for a cell of a GitHub-flavoured Markdown table."""
    escaped = re.sub(r"([\\`*_|\[\]~#])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _with_breaks(word: str) -> str:
    pieces = re.findall(r".{1,12}?[-/=,._:]|.{1,12}", word)
    return r"\allowbreak{}".join(latex(piece) for piece in pieces)


def _latex_character(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    if character.isspace():
        return " "
    if ord(character) < 32 or ord(character) == 127:
        return ""
    if ord(character) < 127 or (0xC0 <= ord(character) <= 0xFF):
        return character
    return f"[U+{ord(character):04X}]"
