"""Plain text escaped for LaTeX and for Markdown."""

from __future__ import annotations

import re
import unicodedata

_LATEX = {
    "[": "{[}",
    "*": "{*}",
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
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "µ": r"\textmu{}",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "∞": r"$\infty$",
    "≠": r"$\neq$",
    "\u00a0": "~",
    "\u00ad": r"\-",
}
_NOT_IN_T1 = frozenset("ĦħĸĿŀŉŦŧſ")
"""Letters of Latin Extended-A that pdfLaTeX refuses; it sets all others, and all of Latin-1."""

_GREEK = "αβγδεζηθικλμνξπρςστυφχψωΓΔΘΛΞΠΣΥΦΨΩ"
_COMMANDS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho varsigma sigma tau upsilon "
    "phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
_LATEX |= {letter: rf"$\{command}$" for letter, command in zip(_GREEK, _COMMANDS.split(), strict=True)}
_LATEX |= dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABEZHIKMNOPTXo", strict=True))  # LaTeX has no commands for these

_LIGATURES = re.compile(r"([-<>,`'!?])(?=\1)")


def latex(text: str) -> str:
    """Escape for T1-encoded pdfLaTeX, such that every text compiles, in a cell of a table too.

    Letters that its fonts lack lose their accents, Greek ones are set as in formulas, and of all other characters
    the number is printed, as ``[U+XXXX]``. "[" and "*" are in braces: LaTeX takes them for its own behind the end
    of a row.
    """
    separated = _LIGATURES.sub("\\1\0", text)
    return "".join("{}" if character == "\0" else _latex_character(character) for character in separated)


def latex_breakable(text: str) -> str:
    """Escape as ``latex`` does, with line breaks allowed inside long words (paths, identifiers, versions)."""
    return " ".join(_with_breaks(word) if len(word) > 20 else latex(word) for word in text.split())


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
    if unicodedata.category(character) in ("Cc", "Cf", "Mn"):
        return ""  # nothing to see of controls, marks of direction and single accents
    if ord(character) < 0x180 and character not in _NOT_IN_T1:
        return character
    parts = unicodedata.normalize("NFKD", character)
    return latex(parts) if parts != character else f"{{[}}U+{ord(character):04X}]"
