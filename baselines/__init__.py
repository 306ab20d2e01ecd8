"""Reimplemented baselines, one file each."""
