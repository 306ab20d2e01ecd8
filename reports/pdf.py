"""``report.pdf``, by the LaTeX of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from models.errors import InputError
from reports.writers.staging import LATEX, staging

NO_LATEX = (
    "no pdflatex or tectonic on PATH: report.tex is written, report.pdf is not (Debian: apt-get install "
    "texlive-latex-base texlive-latex-recommended texlive-latex-extra texlive-science lmodern)"
)

LATEX_SECONDS = 300


def latex() -> str | None:
    """Path of the program that compiles; None where there is none."""
    return shutil.which("pdflatex") or shutil.which("tectonic")


def compile_pdf(tex: Path) -> Path | None:
    """Run pdflatex (three times, for the lists on its first page) or tectonic on a report; the PDF lies beside it.

    Returns:
        The PDF; None when neither program is on PATH (``NO_LATEX`` says what to install).

    Raises:
        InputError: LaTeX failed or took longer than five minutes; its first error is named.
    """
    program = latex()
    if program is None:
        return None
    pdflatex = Path(program).stem == "pdflatex"
    with staging(tex.parent.absolute(), LATEX) as folder:
        if pdflatex:
            options = ["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
            command = [program, *options, "-output-directory", str(folder), tex.name]
        else:
            command = [program, "--untrusted", "--outdir", str(folder), tex.name]
        for _ in range(3 if pdflatex else 1):
            _run_latex(command, tex)
        pdf = tex.with_suffix(".pdf")
        os.replace(folder / pdf.name, pdf)
    return pdf


def _run_latex(command: Sequence[str], tex: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=tex.parent, capture_output=True, text=True, errors="replace", timeout=LATEX_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{tex}: LaTeX took longer than {LATEX_SECONDS} s; run it by hand to see why") from None
    if done.returncode != 0:
        errors = (line for line in done.stdout.splitlines() if line.startswith("!"))
        why = next(errors, done.stderr.strip()[-200:])
        raise InputError(f"{tex}: LaTeX failed ({why}); run {Path(command[0]).name} on it by hand to see more")
