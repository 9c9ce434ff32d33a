"""The rule of two: what is dangerous needs evidence of two kinds of telemetry, or of two sources.

It is counted over the facts that the store has. What a proposer says of them counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from middlewatch.records import AgentName, Evidence, Remediation, Signal

MODALITY: dict[AgentName, Signal] = {
    AgentName.METRICS: Signal.METRICS,
    AgentName.LOGS: Signal.LOGS,
    AgentName.TRACES: Signal.TRACES,
    AgentName.DEPLOYS: Signal.CHANGES,
}
"""The kind of telemetry that each agent reads."""
EITHER = 2
"""Where so many kinds are asked for, as many sources do as well: two systems that saw the same independently."""


@dataclass(frozen=True, slots=True)
class Count:
    """What speaks for a remediation, and whether that is enough."""

    facts: tuple[str, ...]
    """Ids of the facts that count, in the order in which they are cited, each once."""
    modalities: tuple[Signal, ...]
    sources: tuple[str, ...]
    """Names of the back ends that they were read from, sorted."""
    enough: bool
    words: str
    """Which rule was met, or what is wanting. No text of telemetry is in it."""


def counted(facts: Sequence[Evidence], remediation: Remediation, least: int) -> Count:
    """Count the evidence of a remediation.

    A cited fact counts where the investigation has it, it speaks for something (strength above 0), and it is about the target:
    its service, or the other end of the calls that it describes.

    Args:
        facts: all facts of the investigation, out of the store.
        remediation: what is proposed.
        least: kinds of telemetry that are asked for.
    """
    here = {fact.id: fact for fact in facts if (fact.tenant, fact.investigation) == (remediation.tenant, remediation.investigation)}
    cited = tuple(dict.fromkeys(remediation.evidence))
    counting = [here[identifier] for identifier in cited if identifier in here and speaks_for(here[identifier], remediation.target)]
    found = {MODALITY[fact.agent] for fact in counting}
    modalities = tuple(signal for signal in Signal if signal in found)
    sources = tuple(sorted({fact.anomaly.query.source for fact in counting}))
    return Count(
        facts=tuple(fact.id for fact in counting),
        modalities=modalities,
        sources=sources,
        enough=len(modalities) >= least or (least == EITHER and len(sources) >= EITHER),
        words=_words(modalities, sources, least) + _left_out(len(cited) - len(counting), len(cited)),
    )


def speaks_for(fact: Evidence, target: str) -> bool:
    """Whether a fact counts for an action on a target: it speaks for something, and is about it."""
    return fact.anomaly.strength > 0 and target in (fact.anomaly.service, fact.anomaly.peer)


def _words(modalities: Sequence[Signal], sources: Sequence[str], least: int) -> str:
    kinds = f"{_kinds(len(modalities))} of telemetry" + (f" ({' and '.join(modalities)})" if modalities else "")
    if not least:
        return f"{kinds}, and none is asked for"
    if len(modalities) >= least:
        return f"{kinds}, where {_kinds(least)} would do"
    if least == EITHER and len(sources) >= EITHER:
        return f"{kinds} from {len(sources)} sources, where {_kinds(least)} or {EITHER} sources would do"
    return f"{kinds}, where it takes {_kinds(least)}" + (f" or {EITHER} sources" if least == EITHER else "")


def _kinds(number: int) -> str:
    return f"{number or 'no'} kind{'' if number == 1 else 's'}"


def _left_out(number: int, cited: int) -> str:
    if not number:
        return ""
    return f"; {number} of {cited} cited facts do not count: not of this investigation, not about the target, or without strength"
