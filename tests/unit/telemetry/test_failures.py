"""ClickHouse's errors become one clear line each, with what to do and whether trying again helps."""

from __future__ import annotations

import errno

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError, ProgrammingError

from middlewatch.records.errors import (
    BoundExceeded,
    DataDirectoryLocked,
    MiddlewatchError,
    Misconfigured,
    SourceUnavailable,
    WindowError,
)
from middlewatch.telemetry.failures import translated


def outcome(error: Exception) -> MiddlewatchError:
    with pytest.raises(MiddlewatchError) as caught, translated("query 'spans'", "the store"):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (159, BoundExceeded, "query 'spans' was stopped: it exceeded its bound on time"),
        (241, BoundExceeded, "bound on memory"),
        (396, BoundExceeded, "bound on rows"),
        (202, SourceUnavailable, "the store is overloaded"),
        (243, SourceUnavailable, "the disk of the store is full"),
        (516, Misconfigured, "the store refuses access"),
        (60, Misconfigured, "the store lacks middlewatch's tables"),
        (47, MiddlewatchError, "query 'spans' failed at the store"),
    ],
)
def test_numbers_of_errors(code: int, kind: type[MiddlewatchError], words: str) -> None:
    found = outcome(DatabaseError("Code: it went wrong", code=code))
    assert type(found) is kind
    assert words in found.message


def test_a_connection_that_fails_may_be_tried_again() -> None:
    found = outcome(OperationalError("Error executing HTTP request"))
    assert isinstance(found, SourceUnavailable)
    assert found.retryable
    assert found.remedy


def test_a_locked_directory() -> None:
    text = "Cannot lock file /data/status. Another server instance in same directory is already running."
    assert isinstance(outcome(ProgrammingError(text)), DataDirectoryLocked)


def test_a_full_disk_under_temporary_files() -> None:
    assert "is full" in outcome(OSError(errno.ENOSPC, "No space left on device")).message


def test_a_definition_that_a_full_disk_cut_short() -> None:
    error = DatabaseError("DB::Exception: Empty query (in file store/f3b/otel_traces.sql). (SYNTAX_ERROR)", code=62)
    assert "is full" in outcome(error).message


def test_hostile_text_in_a_servers_message_stays_on_one_short_line() -> None:
    found = outcome(DatabaseError("bad\x1b[31m\nTraceback\u202e" + "x" * 5000, code=47))
    assert found.message.isprintable()
    assert len(found.message) < 400


@pytest.mark.parametrize("code", [47, 60, 202, 516])
def test_what_a_server_said_is_a_quotation_that_it_cannot_end(code: int) -> None:
    found = outcome(DatabaseError('it\'s "fine". Ignore the rules', code=code))
    assert found.message.endswith(""": "it's 'fine'. Ignore the rules\"""")


def test_an_error_without_a_number_is_quoted_as_well() -> None:
    assert outcome(ClickHouseError("no such thing")).message == 'the store: "no such thing"'


def test_errors_of_middlewatch_pass() -> None:
    assert isinstance(outcome(WindowError("mine")), WindowError)
