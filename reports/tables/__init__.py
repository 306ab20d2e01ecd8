"""A file for each layout: the table that it makes of the runs of a declared ablation."""
