"""MLflow, where records are logged: addresses, waiting for what is away, runs, and getting records back."""
