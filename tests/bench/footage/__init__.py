"""Tests of bench.footage."""
