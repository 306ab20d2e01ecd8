"""Addresses of databases and servers: making them from paths, and showing them without passwords."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

NETWORK_FILE_SYSTEMS = (
    "9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "ocfs2", "orangefs",
    "pvfs2", "smb", "sshfs", "virtiofs", "wekafs",
)  # fmt: skip
"""How the names of file systems begin that lie on another machine, after "fuse." where they have that."""

_USER = re.compile(r"(?<=://)[^\s'\"<>]*@")
_SECRET = re.compile(r"([?&;](?:password|passwd|pwd|token|secret|sslpassword)=)[^&;\s'\"<>]*", re.IGNORECASE)


def without_password(text: str) -> str:
    """A text without the user names and passwords of the addresses in it.

    Everything up to the last "@" of an address goes: a password may hold a "/" that should have been escaped.
    """
    return _SECRET.sub(r"\1***", _USER.sub("", text))


def sqlite_address(path: Path) -> str:
    """The address of a SQLite file for SQLAlchemy, MLflow and Optuna, whatever characters its path has."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(path.absolute())).render_as_string(hide_password=False)


def sqlite_path(address: str) -> Path | None:
    """The file of a SQLite address; None for another database, and for one in memory.

    Raises:
        sqlalchemy.exc.ArgumentError: it is no address of a database.
    """
    from sqlalchemy import make_url

    url = make_url(address)
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def is_server(address: str) -> bool:
    """Whether an address is that of a web server."""
    return address.startswith(("http://", "https://"))


def is_database(address: str) -> bool:
    """Whether an address is that of a database that MLflow can use."""
    return address.partition(":")[0].partition("+")[0] in ("sqlite", "postgresql", "mysql", "mssql")


def folder_of(uri: str) -> Path | None:
    """The folder on this machine that an address names; None where it names another place."""
    parts = urlsplit(uri)
    if parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path) if parts.scheme else uri)


def network_file_system(path: Path) -> str | None:
    """Kind of the network file system that a path lies on; None for one of this machine."""
    import psutil

    resolved = path.absolute().resolve()
    around = [part for part in psutil.disk_partitions(all=True) if resolved.is_relative_to(part.mountpoint)]
    if not around:
        return None
    kind = max(around, key=lambda part: len(part.mountpoint)).fstype.lower()
    return kind if kind.removeprefix("fuse.").startswith(NETWORK_FILE_SYSTEMS) else None
