"""Optuna's studies: where they are kept, how they are opened, and the signs of life of trials under way.

They lie in ``studies.db`` in the store, or in the database that ``LIFTING_BENCH_STUDIES`` names. On PostgreSQL
that may be MLflow's database: the studies have a schema of their own there, as both keep a table of the same name.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.results.store import Store
from bench.results.tracking.addresses import is_database, sqlite_address, sqlite_path
from bench.results.tracking.connection import RefusedError, Service, network_kind, reason_of, say, warn_of_network
from models.errors import InputError

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.storages import RDBStorage
    from sqlalchemy import Engine

HEARTBEAT_SECONDS = 10
GRACE_SECONDS = 60
"""A trial without a sign of life for so long is tried again, by whichever program asks next."""

SETTING = "LIFTING_BENCH_STUDIES"
"""Environment variable with the address of a database for studies."""

SCHEMA = "lifting_bench_studies"
"""Schema of PostgreSQL in which the studies lie."""


def studies_service(root: Path) -> Service:
    """The database of the studies of the store in this folder.

    Raises:
        InputError: ``LIFTING_BENCH_STUDIES`` is no address of a database.
    """
    address = os.environ.get(SETTING) or sqlite_address(root / "studies.db")
    service = Service("database of studies", address, SETTING)
    if not is_database(address):
        raise InputError(f"{service.shown}: is no address of a database, as postgresql+psycopg://HOST/NAME is")
    return service


def open_studies(root: Path) -> RDBStorage:
    """The studies of the store in this folder, which is there; their database is made when there is none.

    Raises:
        InputError: the database cannot be reached, is damaged, or is of another version of Optuna or of MLflow.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for kind in (optuna.exceptions.ExperimentalWarning, UserWarning):
        warnings.filterwarnings("ignore", category=kind, module=r"bench\.sweep\.|optuna")
    service = studies_service(root)

    def action() -> RDBStorage:
        path = sqlite_path(service.address)
        if path is not None and path.parent.is_dir() and not path.exists():
            path.touch(0o666)  # with the mode of the umask; SQLite itself lets only the owner write
        _make_schema(service.address)
        return _storage(service.address, _connect(service.address)[1])

    storage = service.open(action)
    warn_of_network(service)
    return storage


def examine_studies(root: Path) -> str:
    """What the database of studies of the store in this folder is, in words; nothing is made or changed.

    Raises:
        InputError: it cannot be reached or used.
    """
    service = studies_service(root)
    return service.try_once(lambda: f"{service.shown}: {_found(service)}")


def _found(service: Service) -> str:
    import sqlalchemy

    path = sqlite_path(service.address)
    if path is not None and not path.exists():
        return "none yet, a search makes it"
    engine, arguments = _connect(service.address)
    if not sqlalchemy.inspect(engine).has_table("studies"):
        return "empty, a search fills it"
    storage = _storage(service.address, arguments, skip_table_creation=True)
    network = f", on a network file system ({kind})" if (kind := network_kind(service.address)) else ""
    return f"{len(storage.get_all_studies())} studies{network}"


def store_name(root: Path) -> str | None:
    """What tells the studies of a store from those of others in a database that is given; None in its own."""
    return Store(root).id if os.environ.get(SETTING) else None


def grid_sampler(values: Mapping[str, Sequence[int]]) -> BaseSampler:
    """Optuna's exhaustive sampler, without its habit of stopping a study: a search ends when all was tried."""
    from optuna.samplers import GridSampler

    class Grid(GridSampler):
        def after_trial(self, *arguments: object) -> None:
            """Do nothing; the grid sampler would call ``Study.stop``, which only ``Study.optimize`` allows."""

    return Grid(values, seed=0)


@contextmanager
def heartbeat(storage: RDBStorage, ids: Sequence[int]) -> Iterator[None]:
    """Signs of life of trials while they run, without which other programs take them over.

    Args:
        storage: of their study.
        ids: of the trials in the storage; it may change meanwhile.
    """
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(storage, ids, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(HEARTBEAT_SECONDS)


def _beat(storage: RDBStorage, ids: Sequence[int], over: threading.Event) -> None:
    """Record signs of life until it is over, also after the database was away, locked or full for a while."""
    told = False
    while True:
        try:
            for trial in ids:
                storage.record_heartbeat(trial)
            told = False
        except Exception as error:  # whatever it is, the next sign of life may succeed
            if not told:
                say(
                    f"warning: the database of studies cannot be written ({reason_of(error)}); trials that run "
                    f"here may be tried by another program as well after {GRACE_SECONDS} s"
                )
            told = True
        if over.wait(HEARTBEAT_SECONDS):
            return


def _storage(address: str, arguments: dict[str, Any], skip_table_creation: bool = False) -> RDBStorage:
    import sqlalchemy
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
    from optuna.storages._rdb.models import TrialHeartbeatModel as Heartbeat
    from optuna.trial import TrialState

    class Studies(RDBStorage):
        def _get_stale_trial_ids(self, study_id: int) -> list[int]:
            """Also trials without any sign of life, which Optuna passes over: their program died before it."""
            began_before = datetime.now() - timedelta(seconds=GRACE_SECONDS)
            running = self.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))
            numbers = [one.number for one in running if one.datetime_start and one.datetime_start < began_before]
            old = [self.get_trial_id_from_study_id_trial_number(study_id, number) for number in numbers]
            signs = sqlalchemy.select(Heartbeat.trial_id).where(Heartbeat.trial_id.in_(old))
            with self.engine.connect() as connection:
                showed_life = set(connection.execute(signs).scalars())
            return [*super()._get_stale_trial_ids(study_id), *(one for one in old if one not in showed_life)]

    try:
        return Studies(
            address,
            engine_kwargs=arguments,
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=GRACE_SECONDS,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
            skip_table_creation=skip_table_creation,
        )
    except (RuntimeError, AssertionError) as error:  # RuntimeError: Optuna names the command that upgrades it
        raise RefusedError(reason_of(error)) from error


def _make_schema(address: str) -> None:
    """Make the schema of the studies, if this is PostgreSQL."""
    import sqlalchemy
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    if sqlalchemy.make_url(address).get_backend_name() == "postgresql":
        engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
        # Errors: another program makes it now, or this user may not make it.
        with suppress(IntegrityError, ProgrammingError), engine.begin() as connection:
            connection.execute(sqlalchemy.text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))


def _connect(address: str) -> tuple[Engine, dict[str, Any]]:
    """SQLAlchemy's engine for a database of studies, and its arguments.

    Raises:
        RefusedError: MLflow's tables are in it.
    """
    import sqlalchemy

    arguments: dict[str, Any] = {"pool_pre_ping": True}  # a server that was restarted is noticed before it is used
    backend = sqlalchemy.make_url(address).get_backend_name()
    if backend == "sqlite":
        arguments["connect_args"] = {"timeout": GRACE_SECONDS}
    elif backend == "postgresql":
        arguments["connect_args"] = {"options": f"-csearch_path={SCHEMA}"}
    engine = sqlalchemy.create_engine(address, **arguments)
    if sqlalchemy.inspect(engine).has_table("experiments"):
        raise RefusedError(
            "holds MLflow's tables, one of which (alembic_version) has the name of one of Optuna's: name another "
            "database"
        )
    return engine, arguments
