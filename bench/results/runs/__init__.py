"""Runs of a store as things: listed, shown, deleted, and carried from one store to another."""
