"""Invariant: what people type becomes a value of the type that the catalogue has, or a message that says what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from middlewatch.frontends.parameters import typed
from middlewatch.records.errors import BadInput

SCHEMA: dict[str, Any] = {
    "properties": {
        "by": {"type": "integer"},
        "share": {"type": "number"},
        "on": {"type": "boolean"},
        "flag": {"type": "string"},
    }
}


def test_values_have_the_types_of_the_schema() -> None:
    given = ["by=2", "share=0.5", "on=True", "flag=a=b"]
    assert typed(SCHEMA, "set", given) == {"by": 2, "share": 0.5, "on": True, "flag": "a=b"}
    assert typed({}, "set", []) == {}


@pytest.mark.parametrize(
    ("schema", "text", "said"),
    [
        (SCHEMA, "by=two", "by is of the type integer"),
        (SCHEMA, "on=perhaps", "on is of the type boolean"),
        (SCHEMA, "other=1", "is not KEY=VALUE of a parameter"),
        (SCHEMA, "by", "is not KEY=VALUE of a parameter"),
        ({}, "by=1", "set takes no parameters"),
    ],
)
def test_what_cannot_be_is_said(schema: dict[str, Any], text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        typed(schema, "set", [text])
