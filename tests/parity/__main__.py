"""``python -m tests.parity FILES``: compare the methods with golden vectors of the published implementations."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from models.errors import InputError
from tests import GOLDEN


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table of all arrays.

    Returns:
        The exit code: 0 when everything is good, 1 when an array differs or is unknown, 2 for bad input.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="golden files, or folders of them")
    files = parser.parse_args(arguments).files or [GOLDEN]

    from tests.parity.check import check_file, golden_files, markdown

    try:
        checks = [check for path in golden_files(files) for check in check_file(path)]
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(markdown(checks))
    return 0 if all(check.good for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
