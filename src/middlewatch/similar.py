"""Earlier investigations that are like one, and what came of them and fixed them.

Alike is what has traits in common (`records.signature`): the service and the kind of cause, the alarm, log templates, the way that
metrics and requests went. A trait counts the more, the fewer of the investigations that are looked at have it (inverse document
frequency), and two investigations are as alike as the cosine of their traits (Salton & Buckley 1988), without a weight of ours.
docs/measurements/memory.md compares it with the plain order by cause, service and symptom that was there before. Only headlines are
compared, so that a thousand of them take no longer than a page may.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final, Protocol

from pydantic import Field

from middlewatch.records import (
    ActionName,
    ApprovalRequest,
    Feedback,
    Handling,
    Headline,
    Identifier,
    Investigation,
    Outcome,
    Record,
    Recovery,
    Report,
    RequestState,
    Sentence,
    Snapshot,
    Symptom,
    UtcDatetime,
    Verdict,
)
from middlewatch.records.signature import Mark, Trait, headline_traits, marks, traits

MOST_COMPARED: Final = 1000
"""Investigations that are looked at, the newest. Chosen: years of one team's."""
SEEN_DAYS: Final = 30
"""How far back the same symptom is counted."""
LEAST_ALIKE: Final = 0.1
"""Below this two investigations are not alike. Of the committed recordings, all pairs of one fault in one service are above 0.2,
and three quarters of all other pairs below 0.1 (docs/measurements/memory.md)."""
SHARED: Final = 5
"""Traits in common that are told, the rarest. Chosen: what a reader takes in."""
USUAL: Final = 5
"""Earlier ones that are told. Chosen."""
JUDGED: Final = 4
"""So many times as are asked for are looked at for feedback, which may say that an answer was wrong. Chosen."""
AGAIN: Final = 0.5
"""From this likeness on, with the same cause, an incident is taken for the same again. Of the committed recordings 6 of 16 pairs of
one fault in one service reach it, and 4 of 1,020 pairs of others, which nothing that telemetry shows tells apart."""
AGAIN_DAYS: Final = 7
"""What is older may have been another system. Chosen."""
AGAIN_LOOKED_AT: Final = 3
"""Of the most alike, so many. Chosen."""


class Tried(Record):
    """An action that was put to people in an earlier investigation."""

    request: Identifier
    action: ActionName
    target: str
    state: RequestState
    recovery: Recovery | None = Field(default=None, description="whether the symptom went away; null where it was not executed")
    recovered_at: UtcDatetime | None = None

    @property
    def fixed(self) -> bool:
        """Whether the symptom went away after it."""
        return self.state is RequestState.SUCCEEDED and self.recovery is Recovery.RECOVERED


class Earlier(Record):
    """One earlier investigation."""

    investigation: Identifier
    likeness: float = Field(ge=0.0, le=1.0, description="1: the same traits; the cosine of both, a rare trait counting more")
    shared: tuple[Sentence, ...] = Field(description="what both have, the rarest first")
    title: str = Field(description="of its alert")
    symptom: Symptom | None = None
    detected_at: UtcDatetime
    headline: Headline
    feedback: tuple[Feedback, ...] = Field(default=(), description="what people said of its answer")
    tried: tuple[Tried, ...] = Field(default=(), description="what was done about it, as far as it was asked for")
    fixed_by: Tried | None = Field(
        default=None, description="the last action after which its symptom went away; null: none is known"
    )

    @property
    def wrong(self) -> bool:
        """Whether the last who judged its answer found it wrong."""
        return found_wrong(self.feedback)


class Precedents(Record):
    """What an investigation can be compared with."""

    earlier: tuple[Earlier, ...] = Field(description="the most alike first; of those that are equally so, the newest")
    seen: int = Field(ge=0, description="earlier investigations of the same symptom in the 30 days before; 0 where it has none")
    looked_at: int = Field(ge=0, description="how many earlier investigations were compared")


class Requests(Protocol):
    """What people were asked to decide."""

    def __call__(self, *, limit: int) -> Sequence[ApprovalRequest]:
        """The newest."""
        ...


class Similar:
    """Finds precedents."""

    def __init__(
        self,
        investigations: Callable[[int], Sequence[Investigation]],
        handlings: Callable[[Sequence[str]], Mapping[str, Handling]],
        requests: Requests,
    ) -> None:
        """Prefer `App.similar`.

        Args:
            investigations: at most so many, newest first.
            handlings: what people said of some.
            requests: what people were asked to decide.
        """
        self._investigations = investigations
        self._handlings = handlings
        self._requests = requests

    def to(self, snapshot: Snapshot, *, limit: int = USUAL) -> Precedents:
        """The investigations before one that are most like it."""
        this, limit = snapshot.investigation, max(0, limit)
        before = [other for other in self._investigations(MOST_COMPARED) if _earlier(other, this)]
        likenesses = Likenesses(traits_of(snapshot), before)
        likely = likenesses.order(before)[: limit * JUDGED]
        said = self._handlings([other.id for other in likely])
        wrong = {other.id for other in likely if found_wrong(said[other.id].feedback)}
        chosen = likenesses.order(likely, wrong)[:limit]
        tried = self._tried({other.id for other in chosen})
        return Precedents(
            earlier=tuple(_told(other, likenesses, said[other.id], tried[other.id], wrong) for other in chosen),
            seen=len({other.alert.digest for other in before if _same_symptom_lately(other, this)}),
            looked_at=len(before),
        )

    def again(self, snapshot: Snapshot, reports: Callable[[str], Report | None]) -> Report | None:
        """The report of the same incident before: much alike, of the same cause and telemetry, lately, and nobody calls it wrong.

        Args:
            snapshot: of the one that runs, with what rules say.
            reports: of an investigation.
        """
        report = snapshot.report_so_far
        if report is None or report.outcome is not Outcome.FINDING:
            return None
        mine, ago = Headline.of(report), snapshot.investigation.alert.detected_at - timedelta(days=AGAIN_DAYS)
        for one in self.to(snapshot, limit=AGAIN_LOOKED_AT).earlier:
            theirs = one.headline
            same = theirs.outcome is Outcome.FINDING and (theirs.service, theirs.cause) == (mine.service, mine.cause)
            if same and one.likeness >= AGAIN and not one.wrong and one.detected_at >= ago:
                found = reports(one.investigation)
                return found if found is not None and found.scope == report.scope else None
        return None

    def _tried(self, investigations: set[str]) -> Mapping[str, list[ApprovalRequest]]:
        tried: dict[str, list[ApprovalRequest]] = defaultdict(list)
        if investigations:
            for request in self._requests(limit=MOST_COMPARED):
                if request.remediation.investigation in investigations:
                    tried[request.remediation.investigation].append(request)
        return tried


class Likenesses:
    """How much the traits of one are like those of others, among which a trait is rare or common."""

    def __init__(self, found: Sequence[Trait], others: Iterable[Investigation]) -> None:
        self._found = found
        self._mine = frozenset(marks(found))
        kept = [_marks_of(other) for other in others]
        self._seen = Counter(mark for theirs in (*kept, self._mine) for mark in theirs)
        self._most = len(kept) + 2  # one more than there are, so that what all have still counts a little

    def of(self, other: Investigation, wrong: Collection[str] = ()) -> float:
        """Between 0 and 1. Of an answer that was found wrong, what it blames counts for nothing."""
        theirs = _believed(other, wrong)
        both = self._square(self._mine & theirs)
        return min(1.0, both / math.sqrt(self._square(self._mine) * self._square(theirs))) if both else 0.0

    def order(self, others: Iterable[Investigation], wrong: Collection[str] = ()) -> list[Investigation]:
        """Those that are alike, the most first, of equals the newest."""
        alike = [(self.of(other, wrong), other) for other in others if other.headline is not None]
        alike = [pair for pair in alike if pair[0] >= LEAST_ALIKE]
        alike.sort(key=lambda pair: (-round(pair[0], 6), -pair[1].alert.detected_at.timestamp(), pair[1].id))
        return [other for _, other in alike]

    def shared(self, other: Investigation, wrong: Collection[str] = ()) -> tuple[Sentence, ...]:
        """What both have, in words, the rarest first."""
        theirs = _believed(other, wrong)
        both = [trait for found in self._found for trait in (found, found.anywhere) if trait.mark in theirs]
        both = [trait for trait in both if trait.service or all(one.anywhere != trait for one in both if one.service)]
        both.sort(key=lambda trait: -self._weight(trait.mark))
        return tuple(dict.fromkeys(trait.words for trait in both))[:SHARED]

    def _weight(self, mark: Mark) -> float:
        return math.log(self._most / self._seen[mark])

    def _square(self, found: Iterable[Mark]) -> float:
        return sum(self._weight(mark) ** 2 for mark in found)


def found_wrong(feedback: Sequence[Feedback]) -> bool:
    """Whether the last who judged an answer found it wrong."""
    return bool(feedback) and max(feedback, key=lambda said: said.at).verdict is Verdict.WRONG


def traits_of(snapshot: Snapshot) -> tuple[Trait, ...]:
    """Of the report, or of what rules alone say; while it runs, of what is known so far."""
    report = snapshot.report_so_far
    leading = [row.hypothesis for row in report.hypotheses[:1]] if report else []
    return traits(snapshot.investigation.alert, leading, report.evidence if report else snapshot.evidence)


def _marks_of(other: Investigation) -> frozenset[Mark]:
    """What is kept of it; where it is from before there were marks, those of its headline and its alarm."""
    headline = other.headline
    if headline is None:
        return frozenset()
    if headline.marks:
        return frozenset(headline.marks)
    return frozenset(marks((*headline_traits(headline.service, headline.cause), *traits(other.alert, (), ()))))


def _believed(other: Investigation, wrong: Collection[str]) -> frozenset[Mark]:
    """Its marks without those of a cause that it only guessed, or was wrong about."""
    headline = other.headline
    if headline is None or (headline.outcome is Outcome.FINDING and other.id not in wrong):
        return _marks_of(other)
    return _marks_of(other) - frozenset(marks(headline_traits(headline.service, headline.cause)))


def _earlier(other: Investigation, this: Investigation) -> bool:
    """Whether it is of another occurrence, and was there before this one."""
    if other.id == this.id or other.alert.digest == this.alert.digest:
        return False
    if other.opened_at is None or this.opened_at is None:
        return other.alert.detected_at <= this.alert.detected_at
    return other.opened_at <= this.opened_at


def _same_symptom_lately(other: Investigation, this: Investigation) -> bool:
    ago = this.alert.detected_at - other.alert.detected_at
    return this.alert.symptom is not None and other.alert.symptom == this.alert.symptom and ago <= timedelta(days=SEEN_DAYS)


def _told(
    other: Investigation, likenesses: Likenesses, said: Handling, tried: Sequence[ApprovalRequest], wrong: Collection[str]
) -> Earlier:
    assert other.headline is not None  # noqa: S101  only those with one are alike
    done = tuple(map(_done, tried))
    return Earlier(
        investigation=other.id,
        likeness=round(likenesses.of(other, wrong), 4),
        shared=likenesses.shared(other, wrong),
        title=other.alert.title,
        symptom=other.alert.symptom,
        detected_at=other.alert.detected_at,
        headline=other.headline,
        feedback=said.feedback,
        tried=done,
        fixed_by=max((one for one in done if one.fixed), key=_when, default=None),
    )


def _when(tried: Tried) -> float:
    return tried.recovered_at.timestamp() if tried.recovered_at else 0.0


def _done(request: ApprovalRequest) -> Tried:
    execution = request.execution
    return Tried(
        request=request.id,
        action=request.remediation.action,
        target=request.remediation.target,
        state=request.state,
        recovery=execution.recovery if execution else None,
        recovered_at=execution.recovered_at if execution else None,
    )
