"""Where closed investigations go when they leave Redis."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from middlewatch.context_store import durable_file
from middlewatch.context_store.keys import checked_identifier, checked_tenant
from middlewatch.records import Event, Snapshot
from middlewatch.records.errors import StoreUnavailable, UnknownInvestigation

FORMAT = "middlewatch.archive/v1"


class Archive(Protocol):
    """Keeps closed investigations whole."""

    def put(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        """Keep it; durable when this returns. Putting the same one again changes nothing.

        Raises:
            StoreUnavailable: when it could not be kept.
        """
        ...

    def get(self, tenant: str, identifier: str) -> tuple[Snapshot, tuple[Event, ...]]:
        """What was put.

        Raises:
            UnknownInvestigation: when nothing was.
        """
        ...

    def list(self, tenant: str) -> tuple[str, ...]:
        """The ids that a tenant has here, in order."""
        ...


class FileArchive:
    """One gzipped JSON file an investigation, in a folder a tenant."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        """See `Archive.put`."""
        content = {
            "format": FORMAT,
            "snapshot": snapshot.model_dump(mode="json"),
            "events": [event.model_dump(mode="json") for event in events],
        }
        path = self._path(snapshot.investigation.tenant, snapshot.investigation.id)
        try:
            durable_file.write(path, gzip.compress(json.dumps(content).encode(), mtime=0))
            durable_file.sync_folder(self._folder)
        except OSError as error:
            raise StoreUnavailable(f"The archive {path} cannot be written: {error}.", remedy="Free space on its disk.") from None

    def get(self, tenant: str, identifier: str) -> tuple[Snapshot, tuple[Event, ...]]:
        """See `Archive.get`.

        Raises:
            UnknownInvestigation: when nothing was put.
            StoreUnavailable: when the file is damaged or cannot be read.
        """
        path = self._path(tenant, identifier)
        try:
            content = json.loads(gzip.decompress(path.read_bytes()))
            return Snapshot.model_validate_json(json.dumps(content["snapshot"])), tuple(
                Event.model_validate_json(json.dumps(event)) for event in content["events"]
            )
        except FileNotFoundError:
            raise UnknownInvestigation(f"The archive has no investigation {identifier}.") from None
        except (OSError, EOFError, ValueError, KeyError, TypeError, ValidationError) as error:
            raise StoreUnavailable(f"The archive {path} is damaged: {error}.", remedy="Restore it from a backup.") from None

    def list(self, tenant: str) -> tuple[str, ...]:
        """See `Archive.list`."""
        return tuple(sorted(_identifier(path) for path in (self._folder / checked_tenant(tenant)).glob("*.json.gz")))

    def _path(self, tenant: str, identifier: str) -> Path:
        return self._folder / checked_tenant(tenant) / file_name(identifier)


def file_name(identifier: str) -> str:
    """The name of an investigation's file. A colon parts paths on some systems, and '%' cannot occur in an identifier."""
    return f"{checked_identifier(identifier).replace(':', '%3A')}.json.gz"


def _identifier(path: Path) -> str:
    return path.name.removesuffix(".json.gz").replace("%3A", ":")
