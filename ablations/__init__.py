"""Declared experiments, one YAML file per table or figure."""

from pathlib import Path

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Every declared ablation; known without importing what reads them, which ``--help`` has no time for."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))
