"""Data sets: readers, cameras, windows."""
