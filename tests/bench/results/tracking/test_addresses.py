"""Addresses are made from any path, and shown without passwords."""

from collections import namedtuple

import psutil
import pytest

from bench.results.tracking.addresses import (
    folder_of,
    network_file_system,
    sqlite_address,
    sqlite_path,
    without_password,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:secret@host/path", "https://host/path"),
        ("postgresql+psycopg://user:se/cret@host:5432/db", "postgresql+psycopg://host:5432/db"),
        ("postgresql://user:a@b@host/db", "postgresql://host/db"),
        ("postgresql://host/db?user=me&password=secret&sslmode=on", "postgresql://host/db?user=me&password=***&sslmode=on"),
        ("cannot reach 'http://token@host', nor http://u:p@other", "cannot reach 'http://host', nor http://other"),
        ("sqlite:////store/mlflow.db", "sqlite:////store/mlflow.db"),
        ("no address, me@host", "no address, me@host"),
    ],
)  # fmt: skip
def test_no_user_and_no_password_is_shown(text, shown):
    assert without_password(text) == shown


@pytest.mark.parametrize("name", ["plain", "a b", "a?b", "100%20y", "ü#", 'it\'s "so"', "a:b@c"])
def test_a_sqlite_address_names_the_file_whatever_its_name(tmp_path, name):
    path = tmp_path / name / "x.db"
    assert sqlite_path(sqlite_address(path)) == path


def test_other_addresses_have_no_file():
    assert sqlite_path("postgresql+psycopg://host/db") is None
    assert sqlite_path("sqlite://") is None


def test_the_folder_of_a_location(tmp_path):
    folder = tmp_path / "a b%"
    assert folder_of(folder.as_uri()) == folder
    assert folder_of(str(folder)) == folder
    assert folder_of("s3://bucket/folder") is None
    assert folder_of("mlflow-artifacts:/1") is None


@pytest.mark.parametrize(
    ("kind", "found"),
    [("nfs4", "nfs4"), ("lustre", "lustre"), ("fuse.sshfs", "fuse.sshfs"), ("ext4", None), ("fuse.ntfs", None)],
)
def test_network_file_systems_are_known(tmp_path, monkeypatch, kind, found):
    Part = namedtuple("Part", "mountpoint fstype")
    parts = [Part("/", "overlay"), Part(str(tmp_path), kind), Part(str(tmp_path / "other"), "nfs")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: parts)
    assert network_file_system(tmp_path / "new" / "mlflow.db") == found
