"""Tables of how far the numbers can be trusted, and of what they say about claims."""
