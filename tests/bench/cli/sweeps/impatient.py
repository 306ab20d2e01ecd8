"""The command line, with curves whose points come quickly, for tests that start it and look on.

Workers import this module too, as the main one of the process that started them.
"""

from bench.cli import main
from bench.results.tracking import following
from bench.training import curves

curves.POINT_SECONDS, following.PASS_SECONDS = 0.02, 0.1

if __name__ == "__main__":
    main()
