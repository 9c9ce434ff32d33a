"""What a team's runbooks say about a hypothesis: plain matching, by words that both have, and quoted with file, heading and line.

A section matches where it says enough of the same: the service and one thing more (the kind of cause, a metric, a log line), or a
log line alone. What stands in a heading above it, in the name of its file and in its front matter counts for it too. Nothing is
learnt, and what a runbook says is never obeyed.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from middlewatch.records import AgentName, CauseKind, Evidence, Hypothesis, Report, RunbookPassage
from middlewatch.records.errors import Misconfigured
from middlewatch.records.quoting import cut, quoted
from middlewatch.records.runbook import LINE_WORDS, LONGEST_FILE, LONGEST_HEADING, LONGEST_PASSAGE
from middlewatch.records.signature import metric_name, template

if TYPE_CHECKING:
    from middlewatch.runbook_files import Known, Runbook, Section, Shelf

HYPOTHESES: Final = 3
"""Leading ones that runbooks are looked up for; a person reads no more."""
PASSAGES: Final = 3
"""Of one hypothesis, the best."""
SERVICE, METRIC, LOG, KIND = 2, 2, 3, 1
LEAST: Final = 3
"""Points from which a section matches. They are chosen so that the service needs one thing more, and a log line nothing: that is no
chance, where the name of a metric or a kind of cause may be."""
LEAST_WORDS: Final = 3
"""Of a log template, in a row and not wildcards, that have to stand in a section."""
FACTS: Final = 12
"""Of the hypothesis' service, the strongest, whose metrics and log templates are looked for. Chosen."""
KINDS: Final[Mapping[CauseKind, tuple[str, ...]]] = MappingProxyType(
    {
        CauseKind.SATURATION: (
            "saturation",
            "saturated",
            "exhausted",
            "exhaustion",
            "out of memory",
            "disk full",
            "connection pool",
        ),
        CauseKind.DEPENDENCY: ("dependency", "dependencies", "upstream", "third party", "locked database", "database is locked"),
        CauseKind.NETWORK: ("network", "packet loss", "dns", "connection refused", "connection reset"),
        CauseKind.CODE: ("bad deploy", "bad release", "regression", "roll back", "rollback", "unhandled exception"),
        CauseKind.CONFIGURATION: ("configuration", "misconfigured", "config change", "feature flag"),
        CauseKind.LOAD: ("overload", "overloaded", "high load", "traffic spike", "rate limit"),
        CauseKind.DATA: ("poison message", "queue lag", "backlog", "bad data", "corrupt"),
        CauseKind.INFRASTRUCTURE: ("frozen instance", "node failure", "unreachable", "crash loop", "host down"),
        CauseKind.UNKNOWN: (),
    }
)
"""Words that people use for a kind of cause; docs/runbooks.md lists them."""

_WORD = r"(?<![A-Za-z0-9_.-]){}(?![A-Za-z0-9_-])"


@dataclass(frozen=True, slots=True)
class Looked:
    """What is looked for of one hypothesis."""

    service: str
    kind: str
    """As the front matter names it; empty where it is not known."""
    kinds: tuple[str, ...]
    """As people say it."""
    metrics: tuple[str, ...]
    templates: tuple[str, ...]

    @classmethod
    def of(cls, hypothesis: Hypothesis, evidence: Sequence[Evidence]) -> Looked:
        """From a hypothesis and the facts about its service."""
        facts = [fact for fact in evidence if fact.anomaly.strength > 0 and _about(fact, hypothesis)]
        facts = sorted(facts, key=lambda fact: (-fact.anomaly.strength, fact.id))[:FACTS]
        cause = hypothesis.cause
        details = (cause.detail.replace("_", " "),) if cause and cause.detail else ()
        metrics = (metric_name(fact.anomaly.subject) for fact in facts if fact.agent is AgentName.METRICS)
        templates = (template(fact.anomaly.subject) for fact in facts if fact.agent is AgentName.LOGS)
        return cls(
            service=hypothesis.service,
            kind=cause.kind.value if cause and cause.kind is not CauseKind.UNKNOWN else "",
            kinds=(*details, *(KINDS[cause.kind] if cause else ())),
            metrics=tuple(dict.fromkeys(metrics)),
            templates=tuple(dict.fromkeys(templates)),
        )


class Runbooks:
    """The runbooks of one folder, as they are now."""

    def __init__(self, folder: Path | None) -> None:
        """Nothing is read yet.

        Args:
            folder: where they are; None where there are none.
        """
        self.folder = folder
        self._known: Known = {}
        self._lock = threading.Lock()

    def shelf(self) -> Shelf:
        """All of them; nothing where no folder is configured.

        Raises:
            Misconfigured: the folder cannot be read.
        """
        from middlewatch.runbook_files import Shelf, read_shelf  # noqa: PLC0415  YAML and Markdown: nobody without runbooks needs them

        if self.folder is None:
            return Shelf((), ())
        try:
            with self._lock:
                return read_shelf(self.folder, self._known)
        except OSError as error:
            raise Misconfigured(
                f"The folder of runbooks {self.folder} cannot be read: {error.strerror or error}.",
                remedy="Mend MIDDLEWATCH_RUNBOOKS, or unset it.",
            ) from None

    def cited_in(self, report: Report) -> Report:
        """The report with what runbooks say about its leading hypotheses. Where they cannot be read, it says so."""
        if self.folder is None or not report.hypotheses:
            return report
        try:
            return report.model_copy(update={"runbooks": self.passages(report)})
        except Misconfigured as error:
            missing = f"runbooks: {quoted(error.message)}"
            return report.model_copy(update={"missing": (*report.missing, missing)})

    def passages(self, report: Report) -> tuple[RunbookPassage, ...]:
        """What they say about the leading hypotheses of a report.

        Raises:
            Misconfigured: the folder cannot be read.
        """
        shelf, leading = self.shelf(), [row.hypothesis for row in report.hypotheses[:HYPOTHESES]]
        return tuple(passage for one in leading for passage in passages_for(shelf, one, report.evidence))


def passages_for(shelf: Shelf, hypothesis: Hypothesis, evidence: Sequence[Evidence]) -> tuple[RunbookPassage, ...]:
    """What matches a hypothesis, the best first; of equals by file and line, of one file at most one section above another."""
    looked = Looked.of(hypothesis, evidence)
    found: list[tuple[int, str, int, RunbookPassage]] = []
    for book in shelf.runbooks:
        for section in book.sections:
            matched = list(_matched(looked, book, section))
            points = sum(worth for worth, _ in matched)
            if points >= LEAST and section.text:
                passage = RunbookPassage(
                    hypothesis=hypothesis.id,
                    file=cut(book.file, LONGEST_FILE),
                    heading=cut(section.heading, LONGEST_HEADING),
                    line=section.line,
                    matched=tuple(words for _, words in matched),
                    text=cut(section.text, LONGEST_PASSAGE),
                    revision=shelf.revision,
                )
                found.append((-points, book.file, section.line, passage))
    found.sort(key=lambda row: row[:3])
    return tuple(passage for *_, passage in found[:PASSAGES])


def _about(fact: Evidence, hypothesis: Hypothesis) -> bool:
    return fact.anomaly.service == hypothesis.service or fact.id in hypothesis.evidence


def _matched(looked: Looked, book: Runbook, section: Section) -> Iterator[tuple[int, str]]:
    """What a section says of the same, and the points for it."""
    text, terms = section.lower, book.terms
    if _names(looked.service, text) or looked.service in terms.get("services", ()):
        yield SERVICE, f"the service {quoted(looked.service)}"
    kind = looked.kind if looked.kind in terms.get("causes", ()) else next((one for one in looked.kinds if _names(one, text)), "")
    if kind:
        yield KIND, f"the kind of cause, {quoted(kind)}"
    metric = next((name for name in looked.metrics if _names(name, text) or name in terms.get("metrics", ())), "")
    if metric:
        yield METRIC, f"the metric {quoted(metric)}"
    lines = "\n".join((section.log_lines, *(f" {template(one, LINE_WORDS)} " for one in terms.get("logs", ()))))
    spoken = next((line for line in looked.templates if any(run in lines for run in _runs(line))), "")
    if spoken:
        yield LOG, f"the log line {quoted(spoken)}"


def _names(term: str, text: str) -> bool:
    """Whether a text in lower case has the term as a word."""
    term = term.lower()
    return bool(term) and term in text and _pattern(term).search(text) is not None


@lru_cache(maxsize=512)
def _pattern(term: str) -> re.Pattern[str]:
    return re.compile(_WORD.format(re.escape(term)))


def _runs(line: str) -> Iterator[str]:
    """Words in a row of a log template that do not vary, where there are enough of them."""
    for run in re.split(r"(?:^|(?<= ))\*(?= |$)", line):
        if len(run.split()) >= LEAST_WORDS:
            yield f" {run.strip()} "
