"""Tests of bench.footage.detected."""
