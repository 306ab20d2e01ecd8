"""Tables of errors: of methods, their variants, their samples, and by action or sequence."""
