"""Figures of what a prediction costs: error against it, and how it grows."""
