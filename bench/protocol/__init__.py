"""Metrics, aggregation of hypotheses, uncertainty, and the conditions of a number."""
