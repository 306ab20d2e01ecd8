"""Tests of bench.cli.sweeps."""
