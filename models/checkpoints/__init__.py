"""Reads weights of other code safely, for every method."""
