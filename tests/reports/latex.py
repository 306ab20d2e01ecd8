"""What tests that compile LaTeX need: they are skipped without it, and fail in ``nox -s latex``."""

import os
import shutil
import subprocess

import pytest

REQUIRED = "LATEX_REQUIRED"
"""The environment variable that makes a missing program or file a failure."""

PACKAGES = (
    "texlive-latex-base texlive-latex-recommended texlive-latex-extra texlive-science texlive-publishers lmodern "
    "poppler-utils"
)


def need(*names: str) -> None:
    """Programs, and files that LaTeX knows (with a dot in their name)."""
    missing = [name for name in names if not _there(name)]
    if missing:
        told = f"{', '.join(missing)} not installed (Debian: apt-get install {PACKAGES})"
        if os.environ.get(REQUIRED):
            pytest.fail(told, pytrace=False)
        pytest.skip(told)


def _there(name: str) -> bool:
    if "." not in name:
        return shutil.which(name) is not None
    asked = ["kpsewhich", name]
    return shutil.which(asked[0]) is not None and subprocess.run(asked, capture_output=True).returncode == 0
