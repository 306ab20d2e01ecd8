"""Training a method, and selecting the weights that are kept."""
