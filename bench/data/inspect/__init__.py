"""Describes, draws and checks a data set."""
