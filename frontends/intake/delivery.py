"""One delivery of a sender, and how its parts are read: it is all the sender's, and may be anything."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, NoReturn, TypedDict, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from middlewatch.records import LONGEST_TEXT, MOST_LABELS, digest_of
from middlewatch.records.errors import BadInput
from middlewatch.records.misfit import misfit_words
from middlewatch.records.quoting import cut
from middlewatch.records.toml_reader import nearest
from middlewatch.senders import SenderEntry

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

DEEPEST: Final = 32
"""Tables and lists within one another. Chosen: the deepest of these senders has seven."""
EARLIEST: Final = datetime(1971, 1, 1, tzinfo=UTC)
AHEAD: Final = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours; what is later is now. Chosen, not derived."""
MOST_ALERTS: Final = 2000
"""In one delivery. Chosen: with texts of usual length they fill the megabyte that a body may have."""
MOST_TOLD: Final = 3
"""Of what does not fit in one delivery. Chosen: whoever mends those sees the rest."""
LONGEST_FINGERPRINT: Final = 256
LONGEST_URL: Final = 2048
_BEFORE_ZONE: Final = re.compile(r" (?=(?:UTC|[+-][0-9]{2}:?[0-9]{2})$)")

M = TypeVar("M", bound=BaseModel)


class Origin(TypedDict):
    """Whose a message is."""

    tenant: str
    sender: str
    kind: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came in."""

    sender: str
    entry: SenderEntry
    tenant: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    """As it came, to the last byte."""
    now: datetime

    @property
    def origin(self) -> Origin:
        """Of every message in it."""
        return Origin(tenant=self.tenant, sender=self.sender, kind=self.entry.kind)


def _text(value: object) -> str:
    """Any scalar as text that UTF-8 can hold; others as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool | int | float):
        text = json.dumps(value)
    else:
        text = json.dumps(value, default=str)[: LONGEST_TEXT + 1]
    return cut(text.encode("utf-8", "replace").decode(), LONGEST_TEXT)


def _texts(value: object) -> dict[str, str]:
    """Labels or the like; more than are kept are told to be missing."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("must be an object of texts")  # noqa: TRY004  pydantic tells of this one
    found = {_text(key): _text(one) for key, one in value.items()}
    return bounded(found)


def bounded(texts: Mapping[str, str]) -> dict[str, str]:
    """As many labels as are kept; where some are missing the last one says how many."""
    kept = dict(list(texts.items())[:MOST_LABELS])
    if len(texts) > MOST_LABELS:
        kept = dict(list(texts.items())[: MOST_LABELS - 1])
        kept["middlewatch.left_out"] = f"{len(texts) - len(kept)} more labels"
    return kept


def moment(value: object) -> datetime | None:
    """A time as senders write it: RFC 3339, GitLab's with blanks, or seconds since 1970, or their thousandths down to nanoseconds.

    Returns:
        None where there is none, or it says "not yet".

    Raises:
        ValueError: it cannot be read.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError  # noqa: TRY301, TRY004  one way out for all
        if isinstance(value, str) and not value.isdecimal():
            found = datetime.fromisoformat(_BEFORE_ZONE.sub("", value.strip()).replace("UTC", "Z"))
            found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        else:
            found = _since_1970(float(value))
    except (ValueError, OverflowError, OSError):
        message = "must be a time, such as 2026-03-01T12:00:00Z"
        raise ValueError(message) from None
    return found if found >= EARLIEST else None  # Alertmanager writes the year 1 for "not yet"


def _since_1970(number: float) -> datetime:
    while math.isfinite(number) and abs(number) >= 1e11:  # noqa: PLR2004  seconds have fewer digits until the year 5138
        number /= 1000
    return datetime.fromtimestamp(number, UTC)


Text = Annotated[str, BeforeValidator(_text)]
Texts = Annotated[dict[str, str], BeforeValidator(_texts)]
Moment = Annotated[datetime | None, BeforeValidator(moment)]


class Payload(BaseModel):
    """The base of what is read out of deliveries. What is not known of is passed over: senders add fields."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


def read(model: type[M], body: bytes | str) -> M:
    """A body as JSON of a shape.

    Raises:
        BadInput: it is not; the message says where.
    """
    return fit(model, parsed(body))


def fit(model: type[M], value: object, *, known: Collection[str] = (), remedy: str = "docs/alerts.md shows what is sent.") -> M:
    """A part of a body as a shape.

    Args:
        model: the shape.
        value: as it came.
        known: keys, one of which may be meant where one is not known.
        remedy: what to do where it does not fit.

    Raises:
        BadInput: it does not; the message says where, and repeats nothing of it but keys.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        every = error.errors(include_url=False, include_input=False)
        within = {fault["loc"][:length] for fault in every for length in range(len(fault["loc"]))}
        faults = [fault for fault in every if fault["loc"] not in within]  # a list is too short where all in it is wrong
        # What is not known comes first: it is mostly what is missing, misspelt.
        ordered = sorted(faults, key=lambda fault: fault["type"] != "extra_forbidden")
        told = "; ".join(_told(fault, known) for fault in ordered[:MOST_TOLD])
        more = f"; and {len(faults) - MOST_TOLD} more" if len(faults) > MOST_TOLD else ""
        raise BadInput(f"{told}{more}.", remedy=remedy) from None


def _told(fault: ErrorDetails, known: Collection[str]) -> str:
    where = ".".join(cut(str(part), 64) for part in fault["loc"]) or "the body"
    last = str(fault["loc"][-1])[:64] if fault["loc"] else ""
    meant = nearest(last, known).removeprefix("; ") if fault["type"] == "extra_forbidden" and last not in known else ""
    return f"{where.encode('utf-8', 'replace').decode()}: {misfit_words(fault)}{f' ({meant})' if meant else ''}"


def parsed(body: bytes | str) -> object:
    """The same, of any shape."""
    try:
        text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
        value = json.loads(text, parse_constant=_not_finite, parse_float=_finite)
    except (ValueError, RecursionError):  # a decoding error is a ValueError
        raise BadInput("The body is not JSON.", remedy="Send JSON in UTF-8, with finite numbers.") from None
    if _depth(value) > DEEPEST:
        raise BadInput(f"The body is deeper than {DEEPEST} tables and lists.", remedy="Send less in one another.")
    return value


def _depth(value: object) -> int:
    """Level by level, so that no depth is too deep to be counted."""
    level: Sequence[object] = [value]
    for depth in range(DEEPEST + 2):
        level = [
            inner for one in level for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        ]
        if not level:
            return depth
    return DEEPEST + 1


def _not_finite(_name: str) -> NoReturn:
    raise ValueError


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def begun(at: datetime | None, now: datetime) -> datetime:
    """Since when something is: as the sender says, and now where it does not say or is ahead."""
    return now if at is None or at > now + AHEAD else at


def fingerprint(*parts: str) -> str:
    """The sender's own where it is one text of a length that is kept; else a digest of its parts."""
    own = parts[0] if len(parts) == 1 else ""
    return own if 0 < len(own) <= LONGEST_FINGERPRINT else f"sha256-{digest_of(*parts)[:32]}"


def link(*candidates: str) -> str:
    """The first that is there and not too long: half an address leads nowhere."""
    return next((one for one in candidates if one and len(one) <= LONGEST_URL and not one.endswith("…")), "")
