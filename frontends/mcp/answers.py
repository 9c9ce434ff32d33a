"""What the tools answer. Texts that middlewatch wrote by itself are `Ours`; every other one is fenced on its way out."""

from __future__ import annotations

from pydantic import Field

from middlewatch.frontends.mcp.untrusted import Ours
from middlewatch.records import (
    AgentName,
    AnomalyKind,
    Approval,
    CauseKind,
    Challenge,
    Explanation,
    Family,
    Feedback,
    Handover,
    InvestigationState,
    Onset,
    Outcome,
    Position,
    ProposedRemediation,
    Query,
    Record,
    RequestState,
    RiskTier,
    RunbookPassage,
    Sample,
    Scalar,
    Sentence,
    Symptom,
    UtcDatetime,
    Voice,
    Window,
)
from middlewatch.similar import Earlier


class Page(Record):
    """A part of a list."""

    total: int | None = Field(default=None, description="how many there are, shown or not; null where they were not counted")
    next_offset: int | None = Field(
        default=None, description="give this as `offset` for the next ones; null where these are the last"
    )


class InvestigationLine(Record):
    """One investigation in a list."""

    investigation: str
    state: InvestigationState
    title: str = Field(description="of its alert")
    opened_at: UtcDatetime | None
    outcome: Outcome | None = Field(default=None, description="null while it runs")
    answer: Sentence = ""
    confidence: float | None = None
    requests: tuple[str, ...] = Field(default=(), description="approval requests that were made of it")
    link: Ours = ""


class InvestigationList(Page):
    """Investigations, newest first."""

    investigations: tuple[InvestigationLine, ...]


class FactLine(Record):
    """One fact in a list."""

    evidence: str = Field(description="id; `get_evidence` shows all of it")
    agent: AgentName
    kind: AnomalyKind
    service: str
    peer: str = ""
    subject: str
    usual_to_now: Ours = Field(default="", description="the usual value, and the one in the window")
    factor: Ours = ""
    since: UtcDatetime | None = None
    strength: float = Field(description="how much it speaks for its service as the cause, in nats")
    summary: Sentence


class HypothesisLine(Record):
    """One proposed cause."""

    hypothesis: str
    rank: int
    service: str
    statement: Sentence
    cause: CauseKind | None = None
    chance: float = Field(description="probability that it is a cause")
    votes: Ours = Field(description="how many agents stand where")
    dissent: tuple[AgentName, ...] = ()


class CauseLine(Record):
    """One cause that a finding names."""

    hypothesis: str
    service: str
    kind: Sentence = Field(description="what went wrong there, how sure that is, and what shows it")
    confidence: float


class AlertLine(Record):
    """One alert of an investigation."""

    alert: str
    title: str
    service: str
    services: tuple[str, ...] = Field(default=(), description="all that it is about, where it is of several")
    state: Ours
    course: Ours = Field(description="how often it was told of, and when")


class Essentials(Record):
    """Where an investigation stands, and its answer where there is one."""

    investigation: str
    state: InvestigationState
    finished: bool
    what_now: Ours = Field(description="what to do next")
    title: str = Field(description="of the alert")
    symptom: Symptom | None = None
    window: Window = Field(description="from the alarm to the wall: nothing later is read")
    severity: Ours = Field(default="", description="how severe it is held to be, and until when somebody must respond")
    severity_reasons: tuple[Sentence, ...] = ()
    alerts: tuple[AlertLine, ...] = Field(default=(), description="the first of those that it is about")
    alert_count: int = 0
    follows: str = Field(default="", description="the investigation of the time before, where the alert came back")
    since: tuple[Sentence, ...] = Field(default=(), description="what that one found, and what changed since")
    preliminary: Ours = Field(
        default="", description="where all below is the rules' answer, which language models look at: that it is so. Else empty"
    )
    outcome: Outcome | None = Field(default=None, description="null while it runs and the rules have not answered")
    answer: Sentence = Field(default="", description="one sentence; empty until there is one")
    confidence: float | None = Field(default=None, description="probability that the finding names the true cause")
    likelihood: Ours = Field(default="", description="the same in per cent and in words")
    onset: Onset | None = None
    causes: tuple[CauseLine, ...] = ()
    hypotheses: tuple[HypothesisLine, ...] = Field(default=(), description="the leading ones; `why` tells the votes")
    facts: tuple[FactLine, ...] = Field(default=(), description="the strongest that the answer is about; `list_evidence` has all")
    evidence_count: int = Field(description="facts in all")
    models: Ours = Field(default="", description="what language models say of the answer, in short; empty where none was asked")
    missing: tuple[Sentence, ...] = Field(default=(), description="data that was absent, stale or bounded")
    next_steps: tuple[Sentence, ...] = ()
    requests: tuple[ProposedRemediation, ...] = Field(default=(), description="actions that people are asked to decide on")
    link: Ours = Field(default="", description="its page for people")


class HypothesisTold(HypothesisLine):
    """One proposed cause, with how it explains the symptom."""

    evidence: tuple[str, ...] = Field(description="ids of the facts that it rests on")
    explanation: Explanation | None = None


class ClaimTold(Record):
    """A sentence of a language model, all of whose evidence is there."""

    text: Sentence
    evidence: tuple[str, ...]


class ShareTold(Record):
    """What one agent's dialogue with its model came to."""

    told: Sentence = Field(description="how much was accepted, and how much rejected")
    claims: tuple[ClaimTold, ...] = ()


class ModelsTold(Record):
    """What language models did. Their words are theirs: `checked` says what of them was checked, and nothing else was."""

    prose: Sentence = Field(default="", description="the outcome in a model's words; may be empty")
    checked: tuple[Ours, ...] = Field(description="what was checked of the prose, and of claims and reasons; the rest is a model's")
    shares: tuple[ShareTold, ...] = Field(default=(), description="of each agent's model")
    rejected: int = Field(description="claims, facts, hypotheses, votes and reasons that were not accepted")
    challenge: Challenge | None = Field(default=None, description="the attempt to refute the leading hypothesis")
    problems: tuple[Sentence, ...] = Field(default=(), description="what was given up, and why")
    cost: Sentence = Field(description="calls, tokens, dollars and latency")


class ReportAnswer(Essentials):
    """The whole report but its facts, which `list_evidence` pages through."""

    hypotheses: tuple[HypothesisTold, ...] = Field(default=(), description="all of them; `why` tells the votes")
    ranking: tuple[str, ...] = Field(description="services, most suspected first")
    ruled_out: tuple[Sentence, ...] = ()
    would_decide: tuple[Sentence, ...] = Field(default=(), description="data that would decide what stayed open")
    considered: tuple[Sentence, ...] = Field(default=(), description="actions that were looked at and not proposed, and why")
    runbooks: tuple[RunbookPassage, ...] = Field(
        default=(), description="what the team's runbooks say about the leading hypotheses"
    )
    model_work: ModelsTold | None = Field(default=None, description="what language models did; null where none was asked")
    left_out: tuple[Ours, ...] = Field(default=(), description="lists that were cut, and by how much")
    rounds: int
    opened_at: UtcDatetime
    closed_at: UtcDatetime


class EvidenceList(Page):
    """Facts of one investigation."""

    investigation: str
    facts: tuple[FactLine, ...]


class FactTold(Record):
    """One fact with all that is known of it."""

    investigation: str
    evidence: str
    agent: AgentName
    round: int
    kind: AnomalyKind
    service: str
    instance: str = ""
    peer: str = ""
    subject: str
    family: Family
    unit: str = ""
    baseline: float | None = None
    observed: float | None = None
    factor: float | None = None
    onset: Onset | None = None
    strength: float
    window: Window
    baseline_window: Window | None = None
    summary: Sentence
    query: Query = Field(description="what was asked of the source")
    samples: tuple[Sample, ...] = ()
    samples_left_out: int = 0
    cited_by: tuple[str, ...] = Field(default=(), description="hypotheses that rest on it")
    digest: Ours = Field(description="SHA-256 over the whole fact")
    link: Ours = ""


class VoteTold(Record):
    """One agent's word on a hypothesis, by its rules or by a language model."""

    agent: AgentName
    position: Position
    strength: float = Field(description="in nats")
    reason: Sentence
    evidence: tuple[str, ...] = ()
    voice: Voice = Voice.RULES
    model: str = Field(default="", description="which language model; empty where rules speak")
    weight: float = Field(default=1.0, description="what it counts for")


class Why(Record):
    """What the agents say of one hypothesis."""

    investigation: str
    hypothesis: HypothesisTold
    votes: tuple[VoteTold, ...] = Field(description="each agent's last word, by its rules")
    models: tuple[VoteTold, ...] = Field(default=(), description="what language models say beside it")
    challenge: Challenge | None = Field(
        default=None, description="the attempt of a language model to refute it, where there was one"
    )
    preliminary: Ours = Field(default="", description="that this is the rules' answer alone so far; empty once there is a report")
    against: tuple[VoteTold, ...] = Field(description="those that oppose it: the dissent")
    facts: tuple[FactLine, ...] = Field(description="that it is about, strongest first")
    others: tuple[HypothesisLine, ...] = Field(description="what else was proposed")


class Similar(Record):
    """Earlier investigations that are like one."""

    investigation: str
    earlier: tuple[Earlier, ...] = Field(description="the most alike first")
    seen: int = Field(description="earlier investigations of the same symptom in the 30 days before")
    looked_at: int


class RequestLine(Record):
    """One approval request in a list."""

    request: str
    state: RequestState
    tier: RiskTier
    action: str
    target: str
    why: Sentence
    ends_at: UtcDatetime | None
    asked: Ours = Field(description="who is asked now; empty where nobody is")
    link: Ours = ""


class RequestList(Page):
    """Approval requests, newest first."""

    requests: tuple[RequestLine, ...]
    where: Ours = Field(default="", description="where people decide on each of them")


class RequestTold(Record):
    """An approval request with what surrounds it now."""

    request: str
    investigation: str
    state: RequestState
    why: Sentence
    tier: RiskTier
    action: str
    title: Sentence
    target: str
    parameters: dict[str, Scalar]
    will_run: tuple[str, ...] = Field(description="every call or command, whole; empty until the executor looked at the target")
    target_version: dict[str, Scalar]
    expected_effect: Sentence
    proposed_by: str
    note: str = Field(description="prose by whoever proposed it; nobody checked it")
    confidence: float
    known: tuple[Sentence, ...] = Field(description="what was found out about the target")
    touches: Ours
    undo: Ours
    needs: Ours = Field(description="who must approve")
    deciders: tuple[str, ...]
    approvals: tuple[Approval, ...]
    ends_at: UtcDatetime | None
    held_up: Sentence = Field(
        default="", description="what keeps it from beginning: a freeze, the halt, an executor that is absent"
    )
    digest: Ours = Field(description="what a decision is bound to; empty until the executor looked at the target")
    you: Ours = Field(description="who calls, as policy has them")
    objection: Sentence = Field(description="why you may not approve it; empty where you may")
    decide_here: bool = Field(description="whether policy lets you decide over MCP")
    where: Ours = Field(description="where people decide")


class Decided(Record):
    """What became of a decision."""

    request: str
    state: RequestState
    changed: bool = Field(description="false where it was decided before: asked again, the same answer")
    why: Sentence


class Offer(Record):
    """An action of the catalogue, and on what it can be proposed."""

    action: str
    title: Sentence
    tier: RiskTier
    targets: tuple[str, ...]
    parameters_schema: Ours = Field(description="JSON schema of its parameters")
    blast_radius: Sentence
    undo: Sentence | None


class Offers(Record):
    """What can be proposed."""

    actions: tuple[Offer, ...]


class Handled(Record):
    """Who has an investigation, and what people found it worth."""

    investigation: str
    acknowledged_by: str | None
    assignee: str | None
    handovers: tuple[Handover, ...]
    feedback: tuple[Feedback, ...]
