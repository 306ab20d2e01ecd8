"""MPI-INF-3DHP in the field's ``.npz`` files."""
