"""What MLflow holds, asked of MLflow itself."""

import mlflow

from bench.results.tracking.tracker import EXPERIMENT_NAME, Tracker


def search_runs(store, wanted):
    """The runs in a store's MLflow that a filter finds."""
    client = mlflow.MlflowClient(Tracker(store.root).uri)
    experiment = client.get_experiment_by_name(EXPERIMENT_NAME)
    return client.search_runs([experiment.experiment_id], wanted, max_results=50_000)


def logged_runs(store, wanted):
    """Id and status of each of them."""
    return [(found.info.run_id, found.info.status) for found in search_runs(store, wanted)]
