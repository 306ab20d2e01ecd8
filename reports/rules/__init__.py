"""What may stand beside what in a table, and what has to be said about it."""
