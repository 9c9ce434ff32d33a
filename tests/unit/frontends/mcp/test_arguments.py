"""Invariant: arguments that do not fit are told by name, with what was given, what is allowed and what was probably meant."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from pydantic import Field, ValidationError

from middlewatch.frontends.mcp.arguments import misfit
from middlewatch.records import Record, Scalar, UtcDatetime


class Order(StrEnum):
    STRENGTH = "strength"
    ONSET = "onset"


class Asked(Record):
    investigation: str = Field(description="id of an investigation", max_length=9)
    limit: int = Field(default=20, ge=1, le=50)
    order: Order = Order.STRENGTH
    at: UtcDatetime | None = None
    services: tuple[str, ...] = ()
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    digest: str = Field(default="", pattern="^[0-9]*$", description="the whole digest")


class Nothing(Record):
    pass


def said(record: type[Record] = Asked, **given: Any) -> str:
    with pytest.raises(ValidationError) as unfit:
        record.model_validate(given)
    return str(misfit("list_evidence", record, unfit.value))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, "list_evidence needs the argument investigation: id of an investigation."),
        (
            {"investigatoin": "i", "investigation": "i"},
            'has no argument "investigatoin". Did you mean investigation? It takes: inv',
        ),
        ({"investigation": "i", "zzz": 1}, 'list_evidence has no argument "zzz". It takes: investigation, limit, order, at,'),
        ({"investigation": "i", "limit": 500}, "The argument limit should be less than or equal to 50, and is 500."),
        ({"investigation": "i", "limit": "many"}, "The argument limit should be a valid integer, unable to parse"),
        ({"investigation": "i", "order": "size"}, """The argument order should be 'strength' or 'onset', and is "size"."""),
        ({"investigation": "i" * 10}, "The argument investigation should have at most 9 characters, and is "),
        ({"investigation": "i", "at": "2026-11-21T01:00:00"}, "The argument at should have timezone info, and is"),
        ({"investigation": "i", "services": ["a", 3]}, 'The argument "services.1" should be a valid string, and is 3.'),
        ({"investigation": "i", "parameters": {"by": [1]}}, 'The argument "parameters.by" should be a valid'),
        ({"investigation": ["x" * 5000]}, "... ("),
        ({"investigation": "i", "digest": "abc"}, 'The argument digest is not the whole digest: it is "abc".'),
    ],
)
def test_each_mistake_is_told(given: dict[str, Any], wanted: str) -> None:
    text = said(**given)
    assert wanted in text
    assert "pydantic" not in text
    assert len(text) < 600


def test_a_mistake_is_told_once_and_a_tool_without_arguments_says_so() -> None:
    assert said(investigation="i", parameters={"by": [1]}).count("The argument") == 1
    assert said(Nothing, service="a").endswith("It takes no arguments.")
