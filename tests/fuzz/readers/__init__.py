"""Every reader of files and texts that others made."""

from __future__ import annotations

from tests.fuzz.readers import data, descriptions, stores, weights

READERS = {reader.name: reader for room in (data, descriptions, weights, stores) for reader in room.READERS}
