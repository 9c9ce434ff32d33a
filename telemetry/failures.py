"""ClickHouse's errors as middlewatch's: each says what is wrong and whether trying again helps."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from middlewatch.records.errors import (
    BoundExceeded,
    DataDirectoryLocked,
    MiddlewatchError,
    Misconfigured,
    SourceUnavailable,
)
from middlewatch.records.quoting import quoted

# Numbers: src/Common/ErrorCodes.cpp of ClickHouse.
_BOUNDS = (
    (frozenset({159, 160}), "time"),  # TIMEOUT_EXCEEDED, TOO_SLOW
    (frozenset({173, 241}), "memory"),  # CANNOT_ALLOCATE_MEMORY, MEMORY_LIMIT_EXCEEDED
    (frozenset({158, 191, 307, 396}), "rows"),  # TOO_MANY_ROWS, SET_SIZE_LIMIT, TOO_MANY_BYTES, TOO_MANY_ROWS_OR_BYTES
)
_BUSY = frozenset({202, 252})  # TOO_MANY_SIMULTANEOUS_QUERIES, TOO_MANY_PARTS
_DENIED = frozenset({164, 192, 193, 194, 497, 516})  # READONLY, UNKNOWN_USER, *_PASSWORD, ACCESS_DENIED, AUTHENTICATION_FAILED
_NOT_MIGRATED = frozenset({60, 81})  # UNKNOWN_TABLE, UNKNOWN_DATABASE
_NO_SPACE = 243  # NOT_ENOUGH_SPACE
_NO_SPACE_TEXT = ("No space left on device", f"errno: {errno.ENOSPC}")
_CUT_SHORT = "Empty query (in file"
"""What ClickHouse says of a table's definition that it could not write whole, and never of a query of ours."""
_SECOND_DIRECTORY = "cannot connect with different path"
_LONGEST_MESSAGE = 300
"""Characters of a server's message that are repeated: what comes after is mostly the query and a version. Chosen."""
_LOCKED_TEXT = ("Cannot lock file", "already running", "Another server instance")


@contextmanager
def translated(what: str, where: str) -> Iterator[None]:
    """Turn errors of the block into middlewatch's.

    Args:
        what: what was being done, for the message, such as "query 'spans'".
        where: which ClickHouse, for the message.
    """
    try:
        yield
    except ClickHouseError as error:
        raise _of_clickhouse(error, what, where) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _disk_full(where) from error
        raise _unreachable(where) from error


def _of_clickhouse(error: ClickHouseError, what: str, where: str) -> MiddlewatchError:
    code = getattr(error, "code", None)
    text = str(error)
    if any(part in text for part in _LOCKED_TEXT):
        return locked(where)
    if _SECOND_DIRECTORY in text:
        return Misconfigured(f"this process holds another data directory than {where}", remedy="Use one data directory a process.")
    if code == _NO_SPACE or any(part in text for part in (*_NO_SPACE_TEXT, _CUT_SHORT)):
        return _disk_full(where)
    if code is None:
        return _unreachable(where) if isinstance(error, DatabaseError) else SourceUnavailable(f"{where}: {_said(text)}")
    return _of_code(code, text, what, where)


def _of_code(code: int, text: str, what: str, where: str) -> MiddlewatchError:
    for codes, kind in _BOUNDS:
        if code in codes:
            return BoundExceeded(
                f"{what} was stopped: it exceeded its bound on {kind}", remedy="Ask for a shorter window or fewer services."
            )
    if code in _BUSY:
        return SourceUnavailable(f"{where} is overloaded: {_said(text)}", remedy="Try again in a minute.")
    if code in _DENIED:
        return Misconfigured(f"{where} refuses access: {_said(text)}", remedy="Check the user, its password and its rights.")
    if code in _NOT_MIGRATED:
        return Misconfigured(f"{where} lacks middlewatch's tables: {_said(text)}", remedy="Run the migrations first.")
    return MiddlewatchError(f"{what} failed at {where}: {_said(text)}")


def locked(where: str) -> DataDirectoryLocked:
    """Another process holds the data directory."""
    return DataDirectoryLocked(
        f"{where} is in use by another process", remedy="Attach to that process, stop it, or use another data directory."
    )


def _disk_full(where: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"the disk of {where} is full; nothing that was acknowledged is lost",
        remedy="Free some space, or move the data directory, and try again.",
    )


def _unreachable(where: str) -> SourceUnavailable:
    return SourceUnavailable(f"{where} does not answer", remedy="Check that it runs and that its address is right, then try again.")


def _said(text: str) -> str:
    """What a server said, as a quotation: server messages repeat data, data is hostile, and notes of ours repeat these errors."""
    return quoted(text.strip(), longest=_LONGEST_MESSAGE)
