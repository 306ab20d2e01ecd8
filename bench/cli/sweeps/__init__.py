"""What the commands that run experiments share: plan, rounds, what is told in between, and the report."""
