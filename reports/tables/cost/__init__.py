"""Tables of what predictions cost, and of what is had for it."""
