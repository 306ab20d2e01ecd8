"""Many experiments: in which order, where, and what is left to do."""
