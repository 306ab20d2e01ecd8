"""What is asked for: typed descriptions of experiments, and the names they may use."""
