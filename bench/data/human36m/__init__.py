"""Human3.6M in the field's ``.npz`` files, and how they are made."""
