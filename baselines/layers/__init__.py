"""Layers that only baselines share."""
