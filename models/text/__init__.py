"""Frozen text encoders behind one interface."""
