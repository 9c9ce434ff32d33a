"""Every change of which a model speaks is one that it cites: a deploy that nobody recorded is the costliest thing to invent.

Whether a sentence speaks of a change is told by its words, in whatever case, inflection and spelling with or without hyphens; that
somebody undid one, or that there was none, counts as well. What a name of the evidence has of such words does not count, nor does
what is said of a quantity: that latency changed is no change of a service.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from middlewatch.records import AnomalyKind, Evidence
from middlewatch.records.quoting import QUOTATION, quoted

_QUANTITY: Final = (
    r"(?:latenc(?:y|ies)|rates?|traffic|load|errors?|failures?|durations?|times?|timings?|throughput|volumes?|counts?|shares?|patterns?"
    r"|behaviou?rs?|usage|memory|cpu|levels?|values?|distributions?|shapes?|mix|metrics?|requests?|calls?|spans?|quer(?:y|ies)|lines?"
    r"|messages?|logs?|p[0-9]+)\b(?! (?:limit|setting|quota|size|class|format|handl|code|balancer|rule|polic|budget)[a-z]*\b)"
)
"""What is measured, and changes without anybody's doing. A limit of it does not."""
_HELD: Final = r"(?:connection|lock|memory|thread|slot|lease|socket|handle|resource|permit|semaphore)s?"
_THE: Final = r"(?:the |its |their |an? |any |no |this |that )?"
_HAS: Final = r"(?:(?:has|have|had|not|never|only|[a-z]+ly) ){0,3}"
_BE: Final = r"(?:(?:is|are|was|were|be|been|being|has|have|had|get|gets|got|not|never|only|[a-z]+ly) ){0,3}"
_INNOCENT = re.compile(
    rf"\bchang(?:e|ed|es|ing) points?\b|\bchang(?:e|es|ed|ing) (?:(?:in|of|to) )?{_THE}{_QUANTITY}"
    rf"|\b{_QUANTITY} {_HAS}chang(?:e|es|ed|ing)\b"
    rf"|\breleas(?:e|es|ed|ing) (?:of )?{_THE}{_HELD}\b|\b{_HELD} (?:that )?{_BE}released\b"
    rf"|\btransactions? {_BE}(?:committed|commits?|roll(?:ed|s)? back|rollbacks?)\b|\boffsets? {_BE}(?:commits?|committed)\b"
    r"|\bcommits? (?:latency|times?|durations?|phase|log|rate|statements?|quer(?:y|ies)|spans?|calls?|takes?|took|waits?)\b"
    r"|\bpatch (?:requests?|calls?|operations?|endpoints?|spans?)\b|\bmerge (?:sort|join)s?\b"
    rf"|\bpush(?:es|ed|ing)? (?:(?:the|its|their|it|them|0s[0-9]+0|{_QUANTITY}) ){{0,3}}(?:up|over|past|above|beyond)\b"
)
"""The same words of something else."""
_CHANGE = re.compile(
    r"deploy|\breleas(?:e|es|ed|ing)\b|\broll(?:s|ed|ing)?(?: [a-z0-9]+){0,3}? ?(?:out|back|forward)s?\b"
    r"|\b(?:re )?revert(?:s|ed|ing)?\b|\bund(?:o|oes|oing|one|id)\b|\bversion(?:s|ed|ing)?\b|\b(?:up|down) ?grad(?:e|es|ed|ing)\b"
    r"|\b(?:was|were|been|being|got|is|are|just|recently|newly) (?:[a-z]+ )?updated\b"
    r"|\b(?:software|code|an?|new|recent|latest) updates?\b"
    r"|\b(?:re ?)?migrat(?:e|es|ed|ing|ions?)\b|\bre ?configur[a-z]+\b|\bconfigs?\b|\bconfigurations?\b"
    r"|\b(?:feature|an?|the|its|new|this|that) (?:flag|switch|gate)s?\b"
    r"|\bflags? (?:was|were|is|are|turned|flipped|of|at|came|chang[a-z]+)\b"
    r"|\btoggl(?:e|es|ed|ing)\b|\bcommit(?:s|ted|ting)?\b|\bmerg(?:e|es|ed|ing)\b|\bpush(?:es|ed|ing)?\b|\bpatch(?:es|ed|ing)?\b"
    r"|\bhot ?fix(?:es|ed|ing)?\b|\b(?:auto|up|down|re) ?scal(?:e|es|ed|ing|er|ers)\b|\bscal(?:ed|ing)\b"
    r"|\bscales? (?:up|down|in|out|change|event|of 0s[0-9]+0)\b|\bchang(?:e|es|ed|ing)\b|\bmodif(?:y|ies|ied|ying|ications?)\b"
    r"|\balter(?:ed|ations?)\b|\bnew (?:code|build|image|binary)\b"
    r"|\b(?:go|goes|going|went) live\b|\bcut ?overs?\b|\bcanar(?:y|ies)\b"
)
_PARTS = re.compile(r"[.,:](?![0-9])|[;!?]|\b(?:and|but|after|before|since|because|when|while|then|so|which)\b")
_CALL = re.compile(r"\b(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /\S*")
_MARKS = "\"'`"


def speaks_of_change(text: str) -> bool:
    """Whether a text without names speaks of a change."""
    return bool(_CHANGE.search(_INNOCENT.sub(" ; ", _plain(text))))


def uncited_change(text: str, changes: Iterable[Evidence], facts: Sequence[Evidence], services: Iterable[str]) -> bool:
    """Whether a text speaks of a change that is none of those that it may speak of.

    Args:
        text: of a model.
        changes: facts that it may speak of; those among them that are changes.
        facts: whose names may stand in it.
        services: that it may name. Where it names one beside the word for the change, or else at all, a change has to be its.
    """
    changed = {fact.anomaly.service for fact in changes if fact.anomaly.kind is AnomalyKind.CHANGE}
    named = sorted({*services, *(name for fact in facts for name in (fact.anomaly.service, fact.anomaly.peer))} - {""})
    text = _without(text, {name: f" 0s{at}0 " for at, name in enumerate(named)})
    text = _without(text, dict.fromkeys(_names(facts), " "))

    def those_in(part: str) -> set[str]:
        return {named[int(at)] for at in re.findall(r"\b0s([0-9]+)0\b", part)}

    plain = _plain(text)
    speaking = [part for part in _PARTS.split(plain) if speaks_of_change(part)]
    return any(not changed or not changed & (those_in(part) or those_in(plain) or changed) for part in speaking)


def _plain(text: str) -> str:
    """In small letters, with nothing but them, digits and what ends a clause."""
    text = unicodedata.normalize("NFKD", _CALL.sub(" ", text))
    text = "".join(character for character in text if unicodedata.category(character) not in {"Cf", "Mn"})
    return re.sub(r"[^a-z0-9.,:;!?]+", " ", text.lower())


def _names(facts: Iterable[Evidence]) -> Iterator[str]:
    """Names that facts have, but those of changes: a change is what must be cited."""
    for anomaly in (fact.anomaly for fact in facts):
        yield anomaly.instance
        if anomaly.kind is not AnomalyKind.CHANGE:
            yield from (anomaly.subject, *QUOTATION.findall(anomaly.summary), *QUOTATION.findall(anomaly.clause))


def _without(text: str, names: dict[str, str]) -> str:
    """A text with other words for names: in quotation marks, or bare where they cannot be taken for a word for a change."""
    forms = {form: instead for name, instead in names.items() if name for form in (name, quoted(name)[1:-1])}
    if not forms:
        return text
    either = sorted(forms, key=len, reverse=True)
    bare = [form for form in either if re.search(r"[^A-Za-z\s]", form) or not speaks_of_change(form)]
    marked = rf"(?i:[{_MARKS}]({'|'.join(map(re.escape, either))})[{_MARKS}])"
    alone = rf"(?i:(?<![\w.@/+-])({'|'.join(map(re.escape, bare))})(?![\w@/+-]|\.\w))" if bare else r"(?!)()"
    small = {form.lower(): instead for form, instead in forms.items()}
    return re.sub(f"{marked}|{alone}", lambda found: small[(found[1] or found[2]).lower()], text)
