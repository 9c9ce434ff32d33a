"""Backup and restore: the context store with approvals and audit log, and its archive, in one tar file with checksums.

An investigation is read in one piece, and so are a tenant's approvals with their log; the whole is not one moment, which
does no harm: nothing spans two of them.
The manifest is the last member, so a file that was cut short has none. A restore raises the epoch, because it hands old counters
out again; that voids every lease and stops every process that still runs at the old one.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from middlewatch.context_store import durable_file, scripts
from middlewatch.context_store.archive import FileArchive, file_name
from middlewatch.context_store.connection import patiently
from middlewatch.context_store.directory import Directory
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.keys import (
    PREFIX,
    IndexKeys,
    approval_keys,
    checked_tenant,
    investigation_keys,
    occurrence_keys,
    tenant_keys,
)
from middlewatch.context_store.queues import Queues
from middlewatch.context_store.script import Server
from middlewatch.context_store.store import ContextStore
from middlewatch.records.errors import BadInput, StoreUnavailable, UnknownInvestigation

FORMAT: Final = "middlewatch.backup/v1"

_MANIFEST: Final = "manifest.json"
_DIRECTORY: Final = re.compile(r"directory/([^/]+)\.json")
_INVESTIGATION: Final = re.compile(r"investigations/([^/]+)/([^/]+)\.json")
_APPROVALS: Final = re.compile(r"approvals/([^/]+)\.json")
_OCCURRENCES: Final = re.compile(r"occurrences/([^/]+)\.json")
_ARCHIVED: Final = re.compile(r"archive/([^/]+)/([^/]+\.json\.gz)")

Progress = Callable[[str, int], None]
"""Told what is copied ('investigations', 'archived') and how many are done."""


def backup(
    store: ContextStore, archive_folder: Path, file: Path, *, on_progress: Progress = lambda _what, _done: None
) -> dict[str, int]:
    """Write everything to a file. It appears under its name when it is whole and on disk, and not before.

    Args:
        store: what to read; it may be at work.
        archive_folder: of the `FileArchive`; it need not exist.
        file: what to write; an older one of the same name is replaced.
        on_progress: told of every investigation.

    Returns:
        How much of what was written.

    Raises:
        StoreUnavailable: also when the disk takes no more; nothing is left behind then.
    """
    counts = {"investigations": 0, "archived": 0}
    checksums: dict[str, str] = {}
    try:
        file.absolute().parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.absolute().parent, prefix=f".{file.name}.")
        unfinished = Path(name)
        try:
            with os.fdopen(handle, "wb") as target:
                with tarfile.open(fileobj=target, mode="w") as tar:
                    for what, member, content in _members(store.server, archive_folder):
                        _add(tar, member, content)
                        checksums[member] = hashlib.sha256(content).hexdigest()
                        if what in counts:
                            counts[what] += 1
                            on_progress(what, counts[what])
                    manifest = {"format": FORMAT, "epoch": store.server.epoch.number, "members": checksums}
                    _add(tar, _MANIFEST, json.dumps(manifest, indent=1).encode())
                target.flush()
                os.fsync(target.fileno())
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
        durable_file.sync_folder(file.absolute().parent)
    except OSError as error:
        raise StoreUnavailable(
            f"The backup {file} cannot be written: {error}.", remedy="Free space, or choose another place."
        ) from None
    return counts


def restore(
    store: ContextStore,
    archive_folder: Path,
    file: Path,
    *,
    epoch_path: Path,
    force: bool = False,
    on_progress: Progress = lambda _what, _done: None,
) -> dict[str, int]:
    """Read a backup into an empty store. Nothing is changed before the whole file was checked.

    Investigations become visible when all of them are there. Every process must be restarted, this one included: the epoch
    is raised first.

    Args:
        store: where to; only its server is used.
        archive_folder: where archived investigations go.
        file: as `backup` wrote it.
        epoch_path: the operator's epoch file.
        force: replace what the store holds.
        on_progress: told of every investigation.

    Returns:
        How much of what was read.

    Raises:
        BadInput: the file is no whole backup, or the store is not empty and `force` is not given.
        StoreUnavailable: also when the disk takes no more. Run it again with `force` then.
    """
    manifest = _checked(file)
    if not force and _holds_something(store.server, archive_folder):
        raise BadInput("The context store is not empty.", remedy="Choose an empty one, or use --force to replace what it holds.")
    epoch = Epoch.raised(epoch_path, above=max(int(manifest["epoch"]), store.server.epoch.number))
    server = Server(store.server.redis, epoch)
    _clear(server)
    counts = {"investigations": 0, "archived": 0}
    directories: dict[str, bytes] = {}
    with tarfile.open(file) as tar:
        for member in manifest["members"]:
            content = _read(tar, member)
            if found := _DIRECTORY.fullmatch(member):
                directories[found[1]] = content
            elif what := _put_back(server, archive_folder, member, content):
                counts[what] += 1
                on_progress(what, counts[what])
    for tenant in {found[1] for found in map(_ARCHIVED.fullmatch, manifest["members"]) if found}:
        FileArchive(archive_folder).heads(tenant, limit=0)  # they follow from what was read, and are in no backup
    for tenant, content in directories.items():
        scripts.import_directory(server, tenant_keys(tenant), contents=json.loads(content))
        scripts.enrol(server, IndexKeys(), tenant=tenant)
    return counts


def _put_back(server: Server, archive_folder: Path, member: str, content: bytes) -> str:
    """Restore an investigation; says which sort it is, or nothing where the member is none."""
    if found := _INVESTIGATION.fullmatch(member):
        keys = investigation_keys(found[1], found[2].replace("%3A", ":"))
        scripts.import_investigation(server, keys, contents=json.loads(content))
        return "investigations"
    if found := _APPROVALS.fullmatch(member):
        contents, halt = json.loads(content)
        scripts.import_approvals(server, approval_keys(found[1]), contents=contents, halt=halt or "")
    if found := _OCCURRENCES.fullmatch(member):
        scripts.import_occurrences(server, occurrence_keys(found[1]), contents=json.loads(content))
    if found := _ARCHIVED.fullmatch(member):
        _write_archived(archive_folder / checked_tenant(found[1]) / found[2], content)
        return "archived"
    return ""


def _members(server: Server, archive_folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """Every member of a backup: what it is, its name, its content."""
    directory = Directory(server, Queues(server, 1))
    for tenant in directory.tenants():
        contents = scripts.export_directory(server, tenant_keys(tenant))[1]
        yield "directory", f"directory/{tenant}.json", _json(contents)
        yield "approvals", f"approvals/{tenant}.json", _json(scripts.export_approvals(server, approval_keys(tenant))[1:])
        yield "occurrences", f"occurrences/{tenant}.json", _json(scripts.export_occurrences(server, occurrence_keys(tenant))[1])
        recent = contents[3][1]
        for identifier in recent[::2]:  # members and scores; what is opened from now on is in the next backup
            try:
                contents = scripts.export_investigation(server, investigation_keys(tenant, identifier))[1]
            except UnknownInvestigation:  # archived meanwhile, and then it is below
                continue
            yield "investigations", f"investigations/{tenant}/{identifier.replace(':', '%3A')}.json", _json(contents)
    for path in sorted(archive_folder.glob("*/*.json.gz")):
        yield "archived", f"archive/{path.parent.name}/{path.name}", path.read_bytes()


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o600
    tar.addfile(member, io.BytesIO(content))


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    member = tar.extractfile(name)
    if member is None:
        raise KeyError(name)
    return member.read()


def _checked(file: Path) -> dict[str, Any]:
    """The manifest of a backup that is whole: every member is there, and is what was written."""
    try:
        with tarfile.open(file) as tar:
            manifest: dict[str, Any] = json.loads(_read(tar, _MANIFEST))
            if manifest["format"] != FORMAT:
                raise BadInput(f"{file} is a backup of another format: {manifest['format']!r}.")
            for name, checksum in manifest["members"].items():
                _checked_name(name)
                if hashlib.sha256(_read(tar, name)).hexdigest() != checksum:
                    raise ValueError(f"{name} is damaged")  # noqa: TRY301  # joins the others below
    except FileNotFoundError:
        raise BadInput(f"There is no file {file}.") from None
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{file} is no whole backup: {error}.", remedy="Choose another one; nothing was changed.") from None
    return manifest


def _checked_name(name: str) -> None:
    """No name of a member leads out of a folder or into another key."""
    if found := _INVESTIGATION.fullmatch(name):
        investigation_keys(found[1], found[2].replace("%3A", ":"))
    elif found := _ARCHIVED.fullmatch(name):
        checked_tenant(found[1])
        if file_name(found[2].removesuffix(".json.gz").replace("%3A", ":")) != found[2]:
            raise ValueError(f"{name!r} is not the name of an archived investigation")
    elif found := _DIRECTORY.fullmatch(name) or _APPROVALS.fullmatch(name) or _OCCURRENCES.fullmatch(name):
        checked_tenant(found[1])
    else:
        raise ValueError(f"{name!r} does not belong into a backup")


def _holds_something(server: Server, archive_folder: Path) -> bool:
    directory = Directory(server, Queues(server, 1))
    listings = map(directory.listing, directory.tenants())
    if any(listing.recent or listing.unfinished for listing in listings) or any(archive_folder.glob("*/*.json.gz")):
        return True
    return any(scripts.read_seal(server, approval_keys(tenant))[5] for tenant in directory.tenants())  # events of an audit log


def _clear(server: Server) -> None:
    """Remove every key of ours."""
    redis = server.redis
    for key in patiently(redis, lambda: list(redis.scan_iter(f"{PREFIX}:*", count=1000))):
        patiently(redis, partial(redis.unlink, key))


def _write_archived(path: Path, content: bytes) -> None:
    try:
        durable_file.write(path, content)
    except OSError as error:
        raise StoreUnavailable(f"The archive {path} cannot be written: {error}.", remedy="Free space on its disk.") from None
