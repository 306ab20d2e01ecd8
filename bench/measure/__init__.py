"""What a prediction costs: time, memory, operations, energy."""
