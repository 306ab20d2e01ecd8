"""Figures of errors: over samples and frames, by action and joint, and of poses themselves."""
