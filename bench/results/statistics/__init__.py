"""Averages with intervals that hold, runs pooled over their seeds, and what is on a Pareto front."""
