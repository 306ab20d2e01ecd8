"""What came out, and where it is kept."""
