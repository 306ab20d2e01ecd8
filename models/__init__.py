"""Methods and the parts they are made of; imports nothing of the harness."""
