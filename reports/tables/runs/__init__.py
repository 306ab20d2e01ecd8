"""Tables of single runs: one per row, all of them, and two sets of them compared."""
