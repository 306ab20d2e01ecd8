"""What descriptions of experiments and readers of files import of this package, they get without torch."""

from __future__ import annotations

import subprocess
import sys

LIGHT = "models.config, models.errors, models.optim, models.skeleton"


def test_names_and_checks_load_no_torch() -> None:
    subprocess.run(
        [sys.executable, "-c", f"import sys, {LIGHT}; sys.exit('torch' in sys.modules)"], check=True, timeout=60
    )
