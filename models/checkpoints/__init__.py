"""Weights of other code: read safely, and taken over under our names."""
