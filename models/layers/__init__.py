"""Layers that several methods are made of."""
