"""The writer: a language model puts the outcome into words, and only what the evidence bears out is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from middlewatch.agents.reasoning.answers import Written
from middlewatch.agents.reasoning.changes import uncited_change
from middlewatch.agents.reasoning.dialogue import Misfit
from middlewatch.agents.reasoning.names import Names, names_of, sentences_of
from middlewatch.agents.reasoning.numbers import Known, known_of
from middlewatch.records import Outcome, Position, Report, Voice
from middlewatch.records.quoting import QUOTATION, quoted

SENTENCE_WORDS: Final = 40
PROSE_WORDS: Final = 120
LONGEST: Final = 1_500
"""Characters of either, whatever counts as a word."""
UNKNOWN: Final = "I don't know"
_ENDS = re.compile(r"[.!?]\s+(?=[A-Z\"'])")


@dataclass(frozen=True, slots=True)
class Prose:
    """The outcome in a model's words, as they may be shown."""

    sentence: str
    prose: str


def written(answer: Written, report: Report, services: Mapping[str, str], mark: Callable[[str], str]) -> Prose:
    """What may be shown of the writer's answer.

    Args:
        answer: of its model.
        report: the outcome, with all evidence.
        services: key -> name of those that it was shown.
        mark: makes of placeholders what may be stored.

    Raises:
        Misfit: a number or a name in it is none of the evidence, it speaks of a change that the finding does not blame, it is too
            long, or it says another outcome.
    """
    names = names_of(report, services)
    sentence = _checked(mark(answer.sentence), names, report, SENTENCE_WORDS)
    prose = _checked(mark(answer.prose), names, report, PROSE_WORDS)
    if _ENDS.search(sentence):
        raise Misfit("the sentence is more than one.")
    if report.outcome is Outcome.INCONCLUSIVE and not sentence.startswith(UNKNOWN):
        raise Misfit(f"nothing was found, so the sentence begins with: {UNKNOWN}")
    if report.causes and names.first_service(sentence) != report.causes[0].service:
        raise Misfit("the sentence names another service first than the finding does.")
    return Prose(sentence, prose)


def _checked(text: str, names: Names, report: Report, most_words: int) -> str:
    text = " ".join(text.split())
    if not text or len(text) > LONGEST or len(text.split()) > most_words:
        raise Misfit(f"it has no words, or more than {most_words}.")
    text = names.checked(text)
    for sentence in _ENDS.split(text):
        known = known_numbers(report, frozenset(names.named(sentence)))
        if wrong := known.unsupported(QUOTATION.sub(" ", sentence)):
            about = " about the services of its sentence" if names.named(sentence) else ""
            raise Misfit(f"these numbers do not stand in the evidence{about}: {', '.join(wrong[:6])}.")
    blamed = {cause.change for cause in report.causes}
    if uncited_change(text, [fact for fact in report.evidence if fact.id in blamed], report.evidence, names.services.values()):
        raise Misfit("it speaks of a change that the finding does not blame.")
    return text


def known_numbers(report: Report, services: frozenset[str]) -> Known:
    """The numbers of a report: what was measured, what middlewatch says itself, and how many there are of what.

    Args:
        report: whose.
        services: whose measurements count, and sentences that name one of them; empty for all.
    """
    facts = [fact.anomaly for fact in report.evidence if not services or services & {fact.anomaly.service, fact.anomaly.peer}]
    texts = [text for text in sentences_of(report) if not services or any(quoted(name) in text for name in services)]
    alert = report.alert
    known = known_of(texts, facts, [alert.detected_at, alert.window_end])
    for cause in report.causes:
        known.add(cause.confidence, "share")
    for share in (report.confidence, report.change_probability, 1.0 - report.confidence):
        known.add(share, "share")
        known.add(share)
    if report.onset is not None:
        for moment in (report.onset.at, report.onset.earliest, report.onset.latest):
            known.add_moment(moment)
        known.add((alert.detected_at - report.onset.at).total_seconds(), "time")
    for count in _counts(report):
        known.add(float(count))
    return known


def _counts(report: Report) -> list[int]:
    """How many facts, services, hypotheses, causes, rounds, and agents on each side."""
    counts = [len(report.evidence), len(report.ranking), len(report.hypotheses), len(report.causes), report.rounds]
    for row in report.hypotheses[:3]:
        voters = [vote for vote in row.votes if vote.voice is Voice.RULES]
        counts += [len(voters), *(sum(vote.position is position for vote in voters) for position in Position)]
        counts.append(sum(row.hypothesis.service in {fact.anomaly.service, fact.anomaly.peer} for fact in report.evidence))
    return counts
