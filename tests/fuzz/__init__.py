"""Damaged, odd and hostile inputs for every reader, made from seeds: ``nox -s fuzz``, ``python -m tests.fuzz``."""
