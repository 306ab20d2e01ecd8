"""``python -m bench``. Nothing else of this repository is imported before its packages are known to be its own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

PACKAGES = ("models", "baselines", "ablations", "reports")


def hidden_by(home: Path) -> str | None:
    """A sentence if another package of one of these names comes first: the folder of the command has one, say.

    Args:
        home: folder of this repository's packages.
    """
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        folders = list(found.submodule_search_locations or ()) if found else []
        place = folders[0] if folders else getattr(found, "origin", None)
        if place is None or Path(place).parent.resolve() != home.resolve():
            told = f"{place} hides" if place else "there is no"
            return f"{told} the package {package!r} of {home}: start in another folder, or run lifting-bench"
    return None


def main() -> None:
    """The command line, if its packages are its own."""
    complaint = hidden_by(Path(__file__).parents[1])
    if complaint:
        print(f"error: {complaint}", file=sys.stderr)
        sys.exit(2)
    from bench.cli import main as run_command

    run_command()


if __name__ == "__main__":
    main()
