"""Every name in prose is one of the evidence's: services by their keys, other names in quotation marks as they stand there.

What looks like a name outside of quotation marks is refused unless middlewatch wrote it itself, and so is every character that
means something to a terminal, a browser, a chat or a renderer of Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from middlewatch.agents.reasoning.dialogue import Misfit
from middlewatch.records import Report
from middlewatch.records.quoting import QUOTATION, quoted

_KEY = re.compile(r"\[\s?([a-z]\d{1,4})\s?\]")
_PLAIN = re.compile(r"[A-Za-z0-9 .,;:!?()'%+~/-]*")
"""What prose is made of, outside of quotations."""
_TOKEN = re.compile(r"[^\s,;!?()]+")
_NUMBER = re.compile(r"[-+~]?\d[\d,.:]*(?:-\d{2})?[A-Za-z%]{0,3}")
_NAME_LIKE = re.compile(r"[A-Za-z].*\d|\d.*[A-Za-z]|[a-z][A-Z]|\w[._/:@-]+\w")
"""Digits among letters, a capital after a small letter, or a word with marks inside."""


@dataclass(slots=True)
class Names:
    """The names that a report has."""

    services: Mapping[str, str]
    """Key -> name."""
    quoted: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    """What looks like a name, outside of quotations, in middlewatch's own sentences."""

    def add_sentence(self, text: str) -> None:
        """Names and words of a sentence of ours."""
        self.quoted |= set(QUOTATION.findall(text))
        self.words |= {token.strip(".:'").lower() for token in _TOKEN.findall(QUOTATION.sub(" ", text))}

    def add(self, names: Iterable[str]) -> None:
        """Names of the telemetry."""
        self.quoted |= {_inside(name) for name in names if name}

    def checked(self, text: str) -> str:
        """Prose with every service in quotation marks.

        Args:
            text: as the model wrote it, services as `[s1]`.

        Raises:
            Misfit: a key, a name or a character in it is none that may stand there.
        """
        text = " ".join(_KEY.sub(self._service, text).split())
        if text.count('"') % 2:
            raise Misfit("a quotation mark is not closed.")
        text = self._quote_services(text)
        if any(name not in self.quoted for name in QUOTATION.findall(text)):
            raise Misfit("a name in quotation marks is not one of the evidence.")
        outside = QUOTATION.sub(" ", text)
        if not _PLAIN.fullmatch(outside):
            raise Misfit("it has characters that plain prose does not need.")
        for token in (token.strip(".:'") for token in _TOKEN.findall(outside)):
            if _NAME_LIKE.search(token) and not _NUMBER.fullmatch(token) and token.lower() not in self.words:
                raise Misfit("names stand in quotation marks, services as their keys in brackets, and words without hyphens.")
        return text

    def first_service(self, text: str) -> str:
        """The service that a checked text names first; empty where it names none."""
        return next(iter(self.named(text)), "")

    def named(self, text: str) -> list[str]:
        """The services that a checked text names, in its order."""
        services = {_inside(name): name for name in self.services.values()}
        return [services[name] for name in QUOTATION.findall(text) if name in services]

    def _service(self, found: re.Match[str]) -> str:
        name = self.services.get(found[1])
        if name is None:
            raise Misfit("a key in brackets is none of a service.")
        self.quoted.add(_inside(name))
        return quoted(name)

    def _quote_services(self, text: str) -> str:
        """A service that was named without its key stands in quotation marks as well."""
        names = sorted({name for name in self.services.values() if _PLAIN.fullmatch(name)}, key=len, reverse=True)
        if not names:
            return text
        pattern = re.compile(rf'"[^"]*"|(?<![\w.-])({"|".join(map(re.escape, names))})(?![\w-])')
        return pattern.sub(lambda found: quoted(found[1]) if found[1] else found[0], text)


def names_of(report: Report, services: Mapping[str, str]) -> Names:
    """The names of a report.

    Args:
        report: whose.
        services: key -> name of those that a model was shown.
    """
    names = Names(services)
    names.add(services.values())
    for fact in report.evidence:
        names.add_sentence(fact.anomaly.summary)
        names.add_sentence(fact.anomaly.clause)
        names.add((fact.anomaly.service, fact.anomaly.peer, fact.anomaly.instance, fact.anomaly.subject))
    for text in sentences_of(report):
        names.add_sentence(text)
    symptom = report.alert.symptom
    names.add((report.alert.title, *((symptom.service, symptom.metric or "") if symptom else ())))
    return names


def sentences_of(report: Report) -> list[str]:
    """What middlewatch itself says in a report, votes of its rules included."""
    votes = [vote.reason for row in report.hypotheses for vote in row.votes if not vote.model]
    return [report.answer, *report.ruled_out, *report.missing, *report.would_decide, *report.next_steps, *votes]


def _inside(name: str) -> str:
    """A name as it stands between quotation marks."""
    return quoted(name)[1:-1]
