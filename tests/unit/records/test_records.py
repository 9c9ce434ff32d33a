"""Invariants: records are frozen, carry their tenant, refuse what they do not know, and survive JSON unchanged."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from middlewatch import records
from middlewatch.records import Alert, FencingToken, Record, RiskTier, Scope, Window, digest_of, errors

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
OWNED = (
    "Alert",
    "ApprovalRequest",
    "AuditEvent",
    "Bound",
    "Change",
    "Evidence",
    "Hypothesis",
    "Investigation",
    "Order",
    "Remediation",
    "Report",
    "Scope",
    "Task",
    "Vote",
)


@pytest.mark.parametrize("name", OWNED)
def test_records_of_somebody_carry_their_tenant(name: str) -> None:
    assert "tenant" in getattr(records, name).model_fields


def test_every_record_is_frozen_and_has_a_json_schema() -> None:
    for name in records.__all__:
        kind = getattr(records, name)
        if inspect.isclass(kind) and issubclass(kind, Record):
            assert kind.model_config["frozen"]
            assert kind.model_json_schema()["title"] == name


def test_a_misspelt_field_is_an_error() -> None:
    with pytest.raises(ValidationError):
        Scope.model_validate({"tenant": "a", "recordin": "b"})


@pytest.mark.parametrize("tenant", ["", "A", "a}b", "{a", "a:b", "a b", "a\n", "x" * 64])
def test_a_tenant_cannot_leave_its_place_in_a_key(tenant: str) -> None:
    with pytest.raises(ValidationError):
        Scope(tenant=tenant)


@given(st.integers(-14, 14), st.integers(1, 10_000))
def test_windows_are_utc_and_half_open(offset: int, seconds: int) -> None:
    zone = timezone(timedelta(hours=offset))
    start = datetime(2026, 11, 21, 12, tzinfo=zone)
    window = Window(start=start, end=start + timedelta(seconds=seconds))
    assert window.start.tzinfo is UTC
    assert window.contains(window.start)
    assert not window.contains(window.end)
    assert Window.model_validate_json(window.model_dump_json()) == window


@pytest.mark.parametrize("seconds", [0, -1])
def test_an_empty_window_is_refused(seconds: int) -> None:
    with pytest.raises(ValidationError, match="must end after it starts"):
        Window(start=NOON, end=NOON + timedelta(seconds=seconds))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        Window.model_validate({"start": "2026-11-21T12:00:00", "end": "2026-11-21T13:00:00"})


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_that_cannot_be_written_in_utc_is_refused(time: str) -> None:
    with pytest.raises(ValidationError, match="too early or too late"):
        Window.model_validate({"start": time, "end": time})


def test_an_alert_is_the_same_occurrence_only_at_the_same_time() -> None:
    alert = Alert(tenant="a", source="t", source_id="1", title="x", detected_at=NOON, window_end=NOON + timedelta(minutes=1))
    later = alert.model_copy(update={"detected_at": NOON + timedelta(seconds=1)})
    assert alert.digest == alert.model_copy(update={"title": "y"}).digest
    assert alert.digest not in {later.digest, alert.model_copy(update={"tenant": "b"}).digest}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2))
def test_fencing_tokens_order_by_epoch_first(pairs: list[tuple[int, int]]) -> None:
    tokens = [FencingToken(epoch=e, counter=c) for e, c in pairs]
    assert [(t.epoch, t.counter) for t in sorted(tokens)] == sorted(pairs)


def test_risk_tiers_compare_by_level() -> None:
    assert [t.level for t in (RiskTier.INFO, RiskTier.LOW, RiskTier.MEDIUM, RiskTier.HIGH)] == [0, 1, 2, 3]


def test_digests_do_not_depend_on_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1}) != digest_of({"a": 2, "b": 1})


def test_every_error_has_a_message_an_exit_code_and_a_place_in_the_tree() -> None:
    kinds = [k for k in vars(errors).values() if inspect.isclass(k) and issubclass(k, errors.MiddlewatchError)]
    for kind in kinds:
        assert str(kind())
        assert kind.exit_code
        assert kind.__name__ in (errors.__doc__ or "")
