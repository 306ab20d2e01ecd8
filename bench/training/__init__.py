"""Trains a method and chooses its checkpoint."""
