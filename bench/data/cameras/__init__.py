"""Cameras: what one is, those of a YAML file, and those that look at motion that nobody filmed."""
