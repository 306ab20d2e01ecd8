"""What MLflow's store is, found out by opening it, without making or changing anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.results.tracking.addresses import folder_of, is_database, sqlite_path, without_password
from bench.results.tracking.connection import RefusedError, Service, network_kind
from bench.results.tracking.mlflow_files import EXPERIMENT_NAME, tracking_service

if TYPE_CHECKING:
    from sqlalchemy import Connection

_FINISHED = (
    "SELECT count(*) FROM runs JOIN experiments ON runs.experiment_id = experiments.experiment_id"
    " JOIN tags ON tags.run_uuid = runs.run_uuid WHERE experiments.name = :name AND runs.status = 'FINISHED'"
    " AND runs.lifecycle_stage = 'active' AND tags.key = 'bench.kind' AND tags.value = 'evaluation'"
)


def examine_tracking(folder: Path) -> str:
    """What the MLflow store of a store is, in words.

    Raises:
        InputError: it cannot be reached or used.
    """
    service = tracking_service(folder)
    return service.try_once(lambda: f"{service.shown}: {_found(service)}")


def _found(service: Service) -> str:
    if not is_database(service.address):
        return _server(service)
    path = sqlite_path(service.address)
    if path is not None and not path.exists():
        return "none yet, the first run makes it"
    import sqlalchemy

    with sqlalchemy.create_engine(service.address, poolclass=sqlalchemy.NullPool).connect() as connection:
        if not sqlalchemy.inspect(connection).has_table("experiments"):
            return "empty, the first run makes MLflow's tables"
        _refuse_other_schema(connection)
        wanted = sqlalchemy.text("SELECT artifact_location FROM experiments WHERE name = :name")
        place = connection.execute(wanted, {"name": EXPERIMENT_NAME}).scalar()
        count = connection.execute(sqlalchemy.text(_FINISHED), {"name": EXPERIMENT_NAME}).scalar()
    network = f", on a network file system ({kind})" if (kind := network_kind(service.address)) else ""
    return _content(place, str(count)) + network


def _server(service: Service) -> str:
    import mlflow

    client = mlflow.MlflowClient(service.address)
    experiment = client.get_experiment_by_name(EXPERIMENT_NAME)
    if experiment is None:
        return _content(None, "0")
    wanted = "attributes.status = 'FINISHED' and tags.`bench.kind` = 'evaluation'"
    page = client.search_runs([experiment.experiment_id], wanted, max_results=1000)
    return _content(experiment.artifact_location, f"{len(page)}{' or more' if page.token else ''}")


def _content(place: str | None, count: str) -> str:
    """What was found, in words; ``place``: where artifacts lie, None where there is no experiment yet."""
    if place is None:
        return f"no experiment {EXPERIMENT_NAME} yet, the first run makes it"
    folder = folder_of(place)
    away = ", a folder that is not here" if folder is not None and not folder.is_dir() else ""
    return f"{count} finished evaluations, artifacts in {without_password(place)}{away}"


def _refuse_other_schema(connection: Connection) -> None:
    """Refuse a database of another version of MLflow, which MLflow's client would refuse too."""
    import mlflow.store
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    migrations = Path(next(iter(mlflow.store.__path__)), "db_migrations")
    here = MigrationContext.configure(connection).get_current_revision()
    if here != (expected := ScriptDirectory(str(migrations)).get_current_head()):
        raise RefusedError(
            f"out-of-date database schema ({here}, MLflow {mlflow.__version__} expects {expected}): back it up, "
            "then run `mlflow db upgrade` with its address, or install the version of MLflow that wrote it"
        )
