"""Records as texts in Redis: what cannot be read back is not written, and what cannot be read has a clear error."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from middlewatch.records import Record
from middlewatch.records.errors import BadInput, StoreUnavailable

R = TypeVar("R", bound=Record)


def text_of(record: Record) -> str:
    """The record as JSON.

    Raises:
        BadInput: it would not be the same when it is read: JSON has no infinity, for one.
    """
    text = record.model_dump_json()
    try:
        same = type(record).model_validate_json(text) == record
    except ValidationError:
        same = False
    if not same:
        raise BadInput(
            f"This {type(record).__name__.lower()} cannot be stored as it is: a number in it may not be finite.",
            remedy="Leave out what is not a number.",
        )
    return text


def record_from(kind: type[R], text: str | None) -> R:
    """The record that was stored.

    Raises:
        StoreUnavailable: another version of middlewatch wrote it, and this one cannot read it.
    """
    try:
        return kind.model_validate_json(text or "")
    except ValidationError as error:
        raise StoreUnavailable(
            f"The store holds a {kind.__name__.lower()} that this version cannot read ({error.error_count()} errors).",
            remedy="Use the version that wrote it, or a newer one, in every process.",
        ) from None
