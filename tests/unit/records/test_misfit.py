"""Invariant: what does not fit is said in the project's words, and never with the value."""

from __future__ import annotations

import pytest
from pydantic import Field, ValidationError

from middlewatch.records.base import Record, Window
from middlewatch.records.misfit import misfit_words


class Thing(Record):
    number: int = 3
    window: Window | None = None
    names: tuple[str, ...] = Field(default=("a",), min_length=1)
    title: str = Field(default="a", min_length=1)
    labels: dict[str, str] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"colour": "secret"}, "is not known here"),
        ({"window": {"start": "2026-11-22T01:00:00Z"}}, "is missing"),
        ({"number": []}, "must be a valid integer"),
        ({"window": 3}, "must be an object"),
        ({"labels": "secret"}, "must be an object"),
        ({"names": {}}, "must be a list"),
        ({"names": []}, "must not be empty"),
        ({"title": ""}, "must not be empty"),
        (
            {"window": {"start": "2026-11-22T01:00:00Z", "end": "2026-11-22T01:00:00Z"}},
            "a window must end after it starts, and 2026-11-22T01:00:00+00:00 is not after 2026-11-22T01:00:00+00:00",
        ),
    ],
)
def test_in_words(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as misfit:
        Thing.model_validate(given)
    assert [misfit_words(one) for one in misfit.value.errors()] == [said]
