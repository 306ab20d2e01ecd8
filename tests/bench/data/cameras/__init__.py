"""Tests of bench.data.cameras."""
