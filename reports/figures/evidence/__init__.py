"""Figures of how sure a comparison is."""
