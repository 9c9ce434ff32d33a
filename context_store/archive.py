"""Where closed investigations go when they leave Redis."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from middlewatch.context_store import durable_file
from middlewatch.context_store.keys import checked_identifier, checked_tenant
from middlewatch.records import Event, Headline, Investigation, Snapshot
from middlewatch.records.errors import StoreUnavailable, UnknownInvestigation

FORMAT = "middlewatch.archive/v1"

_HEADS = "heads"
LOG = logging.getLogger(__name__)


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

    def heads(self, tenant: str, *, limit: int) -> tuple[Investigation, ...]:
        """A tenant's investigations that were opened last, newest first, each with its headline where there was a report.

        What they found is not read for it, but of those that were put before there were headlines, once.

        Raises:
            StoreUnavailable: when the archive does not answer. One that is damaged is left out.
        """
        ...


def headed(snapshot: Snapshot) -> Investigation:
    """The investigation with its headline, which those from before there were headlines lack."""
    investigation, report = snapshot.investigation, snapshot.report
    if investigation.headline is not None or report is None:
        return investigation
    return investigation.model_copy(update={"headline": Headline.of(report)})


class FileArchive:
    """One gzipped JSON file an investigation, in a folder a tenant; beside them in `heads`, what a list needs of each.

    The heads follow from the files: one that is missing or damaged is written again.
    """

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
            self._write_head(headed(snapshot))
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

    def heads(self, tenant: str, *, limit: int) -> tuple[Investigation, ...]:
        """See `Archive.heads`."""
        folder = self._folder / checked_tenant(tenant) / _HEADS
        here = set(self.list(tenant))
        names = {_identifier_of_head(path): path for path in folder.glob("*.json")}
        mended = {identifier: self._mended(tenant, identifier) for identifier in here - names.keys()}
        kept = sorted((path for identifier, path in names.items() if identifier in here), reverse=True)
        found = [head for head in mended.values() if head is not None]
        for path in kept[: max(0, limit)]:
            head = _head(path) or self._mended(tenant, _identifier_of_head(path))
            found += [] if head is None else [head]
        found.sort(key=_head_name, reverse=True)
        return tuple(found[: max(0, limit)])

    def _mended(self, tenant: str, identifier: str) -> Investigation | None:
        """The head of one that has none, written for the next time; None where its file is damaged."""
        try:
            head = headed(self.get(tenant, identifier)[0])
            self._write_head(head)
        except UnknownInvestigation:
            return None
        except (StoreUnavailable, OSError) as error:
            LOG.warning("an archived investigation is not in the list: %s", error)
            return None
        return head

    def _write_head(self, head: Investigation) -> None:
        path = self._folder / checked_tenant(head.tenant) / _HEADS / _head_name(head)
        durable_file.write(path, head.model_dump_json().encode())

    def _path(self, tenant: str, identifier: str) -> Path:
        return self._folder / checked_tenant(tenant) / file_name(identifier)


def file_name(identifier: str) -> str:
    """The name of an investigation's file. A colon parts paths on some systems, and '%' cannot occur in an identifier."""
    return f"{checked_identifier(identifier).replace(':', '%3A')}.json.gz"


def _identifier(path: Path) -> str:
    return path.name.removesuffix(".json.gz").replace("%3A", ":")


def _head_name(head: Investigation) -> str:
    """In the order of opening: the names alone say which are the newest."""
    opened_ms = 0 if head.opened_at is None else int(head.opened_at.timestamp() * 1000)
    return f"{opened_ms:015d}-{file_name(head.id).removesuffix('.gz')}"


def _identifier_of_head(path: Path) -> str:
    return path.name.partition("-")[2].removesuffix(".json").replace("%3A", ":")


def _head(path: Path) -> Investigation | None:
    try:
        return Investigation.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
