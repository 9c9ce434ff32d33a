"""Which kind of cause the facts about a service point to: one table of rules, and what follows from it (docs/causes.md).

Every fact is read as a sign, its `Mechanism`. A kind of cause is possible where a sign of its own was seen, and the likelier the
more of all that was seen it accounts for. A change just before comes on top: as likely as it is the trigger, it decides the kind,
and the other facts only how it shows.

Constants without a source are chosen, not derived.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from middlewatch.records import (
    AgentName,
    Anomaly,
    AnomalyKind,
    Cause,
    CauseKind,
    ChangeKind,
    Evidence,
    Family,
    KindChance,
    Mechanism,
)
from middlewatch.telemetry.conventions import mechanism_of, resource_of

ALTERNATIVES = 3
"""Other kinds that are told,"""
LEAST_TOLD = 0.01
"""where they are as likely as this."""
CHANCE_NATS = 1.0
"""What the unknown kind accounts for in every incident: the mean surprise where nothing is wrong."""
RELIABILITY = 0.9
"""Facts alone make no kind surer than this: a little below the share of the kinds named on development recordings that were right
(docs/measurements/causes.md)."""
LEAST_BLAME = 0.5
"""A change is blamed, that is, named, and its undoing proposed, where it is the trigger more likely than not: undoing an innocent
one in the middle of an incident costs more than looking at the service first. One that may have been it is to be checked."""
NEAR_LIMIT = 0.8
"""Share of a resource from which on it may be what is short: queues grow steeply from there."""
LIMITS = {"%": 100.0, "1": 1.0}
"""All of a resource, in the units of utilization."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of cause: what shows it, and what else it brings about."""

    kind: CauseKind
    detail: str
    shown_by: frozenset[Mechanism]
    """Any of these signs makes the kind possible,"""
    together: frozenset[Mechanism]
    """where all of these are seen, too."""
    explains: frozenset[Mechanism]
    """Further signs that it brings about."""
    because: str
    """What is said of the fact that shows it."""
    unchanged: bool = False
    """Whether it is possible only where changes are known and none of the service is blamed."""


def _rule(kind: CauseKind, detail: str, because: str, *, shown_by: str, explains: str, together: str = "") -> Rule:
    own, needed, further = (frozenset(map(Mechanism, words.split())) for words in (shown_by, together, explains))
    return Rule(kind, detail, own, needed, further, because)


RULES = (
    _rule(
        CauseKind.LOAD,
        "",
        "more work than usual came in",
        shown_by="load",
        explains="saturation pool_wait queue garbage_collection own_code network connection_setup unreachable other_path",
    ),
    _rule(
        CauseKind.INFRASTRUCTURE,
        "",
        "what it runs on shows it",
        shown_by="neighbour restart unreachable",
        explains="connection_setup network own_code retries",
    ),
    _rule(
        CauseKind.CONFIGURATION,
        "",
        "its configuration is what changed",
        shown_by="configuration",
        explains="unreachable exception other_path own_code",
    ),
    _rule(
        CauseKind.SATURATION,
        "",
        "a resource ran short",
        shown_by="saturation pool_wait garbage_collection",
        explains="own_code network connection_setup queue unreachable exception other_path",
    ),
    _rule(
        CauseKind.DATA,
        "poison_message",
        "work piles up while what is taken from it fails",
        shown_by="queue",
        together="exception",
        explains="unreachable exception other_path retries",
    ),
    _rule(CauseKind.DATA, "lag", "work piles up before it", shown_by="queue", explains="unreachable retries"),
    _rule(CauseKind.CODE, "exception", "it fails by itself", shown_by="exception", explains="unreachable other_path retries"),
    replace(
        _rule(
            CauseKind.DATA,
            "",
            "it fails by itself, and no change is blamed, so what it is given may be new",
            shown_by="exception",
            explains="unreachable other_path retries queue",
        ),
        unchanged=True,
    ),
    _rule(CauseKind.CODE, "wrong_result", "it takes another path without failing", shown_by="other_path", explains=""),
    _rule(
        CauseKind.NETWORK,
        "",
        "time is lost between services, not in them",
        shown_by="network connection_setup",
        explains="unreachable exception other_path retries",
    ),
    _rule(
        CauseKind.CODE, "slow_path", "it takes longer itself", shown_by="own_code", explains="network queue unreachable other_path"
    ),
    _rule(
        CauseKind.DEPENDENCY,
        "",
        "time is lost in something that it needs and that nobody measures",
        shown_by="uninstrumented",
        explains="network pool_wait unreachable exception other_path retries",
    ),
)
"""The whole table. Of two kinds that account for as much, the first is taken.

An exception alone does not tell code from data: code that was not changed does not begin to fail by itself, unless what it is given
is new or a fault in it was never met before. So where no change is blamed, both account for it."""

CHANGES = {
    ChangeKind.DEPLOY: CauseKind.CODE,
    ChangeKind.MIGRATION: CauseKind.CODE,
    ChangeKind.CONFIG: CauseKind.CONFIGURATION,
    ChangeKind.FLAG: CauseKind.CONFIGURATION,
    ChangeKind.SCALE: CauseKind.INFRASTRUCTURE,
}
"""What a change makes of the kind, where the change is the trigger: a deploy that eats all memory is a fault in code."""

PLAIN_SIGNS = {
    (AnomalyKind.OPERATION, Family.LATENCY): Mechanism.OWN_CODE,
    (AnomalyKind.OPERATION, Family.ERRORS): Mechanism.EXCEPTION,
    (AnomalyKind.EDGE, Family.LATENCY): Mechanism.NETWORK,
    (AnomalyKind.EDGE, Family.ERRORS): Mechanism.EXCEPTION,
    (AnomalyKind.STRUCTURE, Family.OTHER): Mechanism.OTHER_PATH,
    (AnomalyKind.LOG_PATTERN, Family.ERRORS): Mechanism.OTHER_PATH,
    (AnomalyKind.LOG_PATTERN, Family.OTHER): Mechanism.OTHER_PATH,
    (AnomalyKind.METRIC, Family.ERRORS): Mechanism.EXCEPTION,
    (AnomalyKind.METRIC, Family.SUCCESS): Mechanism.EXCEPTION,
}
"""What a fact is a sign of where its analysis does not say. A log line of a high severity is no exception: code logs what it merely
does not like. A latency metric shows that a service is slow, and never why."""


@dataclass(frozen=True, slots=True)
class Chance:
    """One kind and how likely it is; `rule` is None for what no rule names."""

    kind: CauseKind
    detail: str
    probability: float
    rule: Rule | None = None


Signs = Mapping[Mechanism, tuple[tuple[float, Evidence], ...]]
"""Each sign with the strongest fact of every agent that shows it, and the nats that the fact stands for; most nats first."""


def infer_cause(
    service: str, facts: Sequence[Evidence], surprise: Mapping[AgentName, float], *, changes_known: bool = False
) -> Cause:
    """The likeliest kind of cause of one service.

    The facts of an agent share its surprise at the service in proportion to their strength; the strongest stands for all of it.
    With own and further nats of its signs, a rule accounts for ``(own + further) (1 - exp(-own))``: the more of what was seen, and
    the surer that its own signs are no chance. Where more work came in than usual, load accounts for the extra share of it, and
    the other kinds for the rest. Probabilities are proportional to the exponential of that, and those of all named
    kinds are at most `RELIABILITY` together. A change that was the trigger with probability c takes that share of them.

    Args:
        service: what is blamed.
        facts: about the service, of one round.
        surprise: of each agent at this service, in nats.
        changes_known: whether it is known what was changed, so that no change means that there was none.

    Returns:
        A cause of kind `unknown` where no fact is a sign of anything.
    """
    signs = read_signs(service, facts, surprise)
    change = max((f for f in facts if f.anomaly.kind is AnomalyKind.CHANGE), key=lambda f: f.anomaly.strength, default=None)
    chances = _chances(signs, unchanged=changes_known and (change is None or not is_blamed(change.anomaly)))
    if change is not None:
        chances = _after(change, chances, signs)
    chances = sorted(chances, key=lambda chance: -chance.probability)
    first = chances[0]
    others = [KindChance(kind=c.kind, detail=_detail(c, signs), probability=c.probability) for c in chances[1:]]
    shown = _shown(first, signs)
    if change is not None and first.kind is _kind_of(change.anomaly) and (not shown or is_blamed(change.anomaly)):
        shown = [change, *shown]  # one that is hardly the trigger shows nothing, unless it is all there is
    return Cause(
        kind=first.kind,
        detail=_detail(first, signs),
        probability=first.probability,
        why=_why(first, shown),
        shown_by=shown[-1].anomaly.kind if shown else None,
        subject=shown[-1].anomaly.subject if shown else "",
        instance=shown[-1].anomaly.instance if shown else "",
        evidence=tuple(fact.id for fact in shown),
        alternatives=tuple(c for c in others if c.probability >= LEAST_TOLD)[:ALTERNATIVES],
    )


def trigger_probability(change: Anomaly) -> float:
    """That a change was the trigger, where its service is the cause: its strength is ln(1 + odds) of it, see `assess_deploys`."""
    return -math.expm1(-change.strength)


def is_blamed(change: Anomaly) -> bool:
    """Whether a change is named as the trigger, where its service is the cause."""
    return trigger_probability(change) > LEAST_BLAME


def sign_of(anomaly: Anomaly, service: str) -> Mechanism | None:
    """What one fact is a sign of where this service is the cause; None where it is of nothing in particular."""
    if anomaly.mechanism is not None:
        return anomaly.mechanism
    rose = anomaly.observed is not None and anomaly.baseline is not None and anomaly.observed > anomaly.baseline
    if rose and (named := mechanism_of(anomaly.subject)):
        return named
    if anomaly.family is Family.TRAFFIC:
        comes_in = anomaly.kind is AnomalyKind.METRIC or anomaly.peer == service
        return Mechanism.LOAD if rose and comes_in else None
    if anomaly.kind is AnomalyKind.METRIC and anomaly.family is Family.SATURATION:
        limit = LIMITS.get(anomaly.unit, math.inf) if resource_of(anomaly.subject) else math.inf
        return Mechanism.SATURATION if rose and (anomaly.observed or 0.0) >= NEAR_LIMIT * limit else None
    return PLAIN_SIGNS.get((anomaly.kind, anomaly.family))


def read_signs(service: str, facts: Sequence[Evidence], surprise: Mapping[AgentName, float]) -> Signs:
    """The signs in the facts about one service; changes are none."""
    best: dict[Mechanism, dict[AgentName, tuple[float, Evidence]]] = defaultdict(dict)
    for agent, nats in surprise.items():
        own = [f for f in facts if f.agent is agent and f.anomaly.kind is not AnomalyKind.CHANGE and f.anomaly.strength > 0]
        top = max((f.anomaly.strength for f in own), default=1.0)
        for fact in sorted(own, key=lambda f: (f.anomaly.strength, f.id)):
            sign = sign_of(fact.anomaly, service)
            if sign is not None and nats > 0:
                best[sign][agent] = (nats * fact.anomaly.strength / top, fact)
    return {sign: tuple(sorted(found.values(), key=lambda pair: (-pair[0], pair[1].id))) for sign, found in best.items()}


def accounts_for(rule: Rule, signs: Signs) -> float:
    """How many nats of what was seen a kind accounts for; 0 where it is not possible."""
    if not all(sign in signs for sign in rule.together):
        return 0.0
    own, further = (sum(nats for sign in of for nats, _ in signs.get(sign, ())) for of in (rule.shown_by, rule.explains))
    extra = _extra_work(signs)
    if rule.kind is CauseKind.LOAD:
        return (own + further) * extra
    rare = -math.expm1(-sum(nats for nats, _ in signs.get(Mechanism.LOAD, ())))
    return (own + further) * -math.expm1(-own) * (1.0 - extra * rare)


def _extra_work(signs: Signs) -> float:
    """The share of the work that comes in and usually does not."""
    factors = [fact.anomaly.factor or math.inf for _, fact in signs.get(Mechanism.LOAD, ())]
    return max(0.0, 1.0 - 1.0 / max(factors)) if factors else 0.0


def _chances(signs: Signs, *, unchanged: bool) -> list[Chance]:
    nats = {rule: accounts_for(rule, signs) for rule in RULES if unchanged or not rule.unchanged}
    top = max(CHANCE_NATS, *nats.values())
    weights = {rule: math.exp(n - top) for rule, n in nats.items() if n > 0}
    total = sum(weights.values()) + math.exp(CHANCE_NATS - top)
    named = [Chance(rule.kind, rule.detail, RELIABILITY * weight / total, rule) for rule, weight in weights.items()]
    return [*named, Chance(CauseKind.UNKNOWN, "", 1.0 - sum(chance.probability for chance in named))]


def _after(change: Evidence, chances: Sequence[Chance], signs: Signs) -> list[Chance]:
    """What the facts say, and the change.

    How a change shows is told by the rule of its kind that accounts for most, where what the service loses in things that nobody
    measures is its own doing: a deploy that drops an index makes the database slow.
    """
    share = trigger_probability(change.anomaly)
    kind = _kind_of(change.anomaly)
    own = {**signs, Mechanism.OWN_CODE: signs.get(Mechanism.OWN_CODE, ()) + signs.get(Mechanism.UNINSTRUMENTED, ())}
    rule = max((rule for rule in RULES if rule.kind is kind), key=lambda rule: accounts_for(rule, own))
    shows = accounts_for(rule, own) > 0
    known = next((chance for chance in chances if chance.rule is rule), Chance(kind, rule.detail, 0.0, rule))
    how = known if shows else Chance(kind, "", 0.0)
    others = [replace(chance, probability=(1.0 - share) * chance.probability) for chance in chances if chance is not how]
    return [replace(how, probability=share + (1.0 - share) * how.probability), *others]


def _kind_of(change: Anomaly) -> CauseKind:
    """The kind that a change stands for. One of a kind that nobody knows counts as configuration, which most such changes are."""
    return CauseKind.CONFIGURATION if change.change is None else CHANGES[change.change]


def _shown(chance: Chance, signs: Signs) -> list[Evidence]:
    """The facts that show a kind, weakest first."""
    own = [] if chance.rule is None else [pair for sign in chance.rule.shown_by for pair in signs.get(sign, ())]
    return [fact for _, fact in sorted(own, key=lambda pair: (pair[0], pair[1].id))]


def _detail(chance: Chance, signs: Signs) -> str:
    """The rule's, or which resource ran short."""
    if chance.kind is not CauseKind.SATURATION or chance.rule is None:
        return chance.detail
    own = [(nats, sign, fact) for sign in chance.rule.shown_by for nats, fact in signs.get(sign, ())]
    for _, sign, fact in sorted(own, key=lambda shown: (-shown[0], shown[2].id)):
        if named := resource_of(fact.anomaly.subject) or _RESOURCES.get(sign, ""):
            return named
    return ""


_RESOURCES = {Mechanism.GARBAGE_COLLECTION: "memory", Mechanism.POOL_WAIT: "connections"}
"""What runs short where the name of what deviated does not say it."""


def _why(chance: Chance, shown: Sequence[Evidence]) -> str:
    if not shown:
        return "It stands out, and nothing that was seen says why."
    changed = [fact for fact in shown if fact.anomaly.kind is AnomalyKind.CHANGE]
    because = [f"it was changed before: {changed[0].anomaly.in_short}"] if changed else []
    if chance.rule is not None:
        because.append(f"{chance.rule.because}: {shown[-1].anomaly.summary.rstrip('.')}")
    text = "; ".join(because)
    return f"{text[0].upper()}{text[1:]}."
