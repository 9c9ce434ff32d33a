"""How every front end reads a report: which facts the answer is about, who said what last, and how likely the others are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from middlewatch.records import AgentName, Evidence, Outcome, Position, RankedHypothesis, Report, Snapshot, Voice, Vote

POSITION_WORDS = {Position.SUPPORT: "for", Position.OPPOSE: "against", Position.ABSTAIN: "abstains"}


class Reading:
    """One report, read."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.day: date = (report.onset.at if report.onset else report.alert.detected_at).date()
        """The day that times are of where they name none."""
        self.leading = report.hypotheses[0] if report.hypotheses else None
        self.numbers = {fact.id: number for number, fact in enumerate(report.evidence, 1)}
        """Of each fact, counted from 1 in the order of the report: what people call it by."""
        self.confidence = {cause.hypothesis: cause.confidence for cause in report.causes}
        """Of each hypothesis that the finding names."""

    def facts(self) -> list[Evidence]:
        """The facts that the answer is about: the leading hypothesis's, strongest first; where nothing leads, all of them."""
        if self.leading is None or self.report.outcome is Outcome.INCONCLUSIVE:
            return sorted(self.report.evidence, key=lambda fact: -fact.anomaly.strength)
        return self.about(self.leading)

    def about(self, row: RankedHypothesis) -> list[Evidence]:
        """The facts that a hypothesis cites, and those about its service; its own service's first, strongest first."""
        hypothesis = row.hypothesis
        about = [
            fact
            for fact in self.report.evidence
            if fact.id in hypothesis.evidence or hypothesis.service in {fact.anomaly.service, fact.anomaly.peer}
        ]
        return sorted(about, key=lambda fact: (fact.anomaly.service != hypothesis.service, -fact.anomaly.strength))

    def proves(self, fact: Evidence) -> bool:
        """Whether a fact speaks for a finding: a change that is blamed, or a fact of an agent that supports it."""
        if self.report.outcome is not Outcome.FINDING or self.leading is None:
            return True
        if fact.agent is AgentName.DEPLOYS:
            return fact.id in {cause.change for cause in self.report.causes}
        votes = latest(self.leading.votes)
        return fact.agent not in votes or votes[fact.agent].position is Position.SUPPORT

    def chance(self, row: RankedHypothesis) -> float:
        """The probability that this is a cause.

        For a cause that the finding names, its confidence. For the others their share, which takes for granted that one of the
        hypotheses is the cause, times the probability of that, which follows from what the votes state of the first of them.
        What calibration takes from that one, the others gain in proportion, and the other way.
        """
        if row.hypothesis.id in self.confidence:
            return self.confidence[row.hypothesis.id]
        first, told = self.report.hypotheses[0], self.report.calibration
        stated = told.stated if told else self.report.confidence
        left = (1.0 - self.report.confidence) / (1.0 - stated) if told and stated < 1.0 else 1.0
        return min(1.0, row.share * stated / first.share * left) if first.share else 0.0

    @property
    def honest_answer(self) -> str:
        """The answer in one sentence; before one that finds nothing it is said that nobody knows."""
        answer = self.report.answer
        known = self.report.outcome is Outcome.FINDING or "don't know" in answer.lower()
        return answer if known else f"I don't know. {answer}"

    def none_of_these(self) -> float:
        """The probability that no hypothesis is the cause."""
        return max(0.0, 1.0 - sum(self.chance(row) for row in self.report.hypotheses))


def as_shown(snapshot: Snapshot) -> Snapshot:
    """With what the rules answer in the place of the report, while language models look at it."""
    shown = snapshot.report_so_far
    return snapshot if shown is snapshot.report else snapshot.model_copy(update={"report": shown})


def latest(votes: Sequence[Vote]) -> dict[AgentName, Vote]:
    """Each agent's last word by its rules, in the agents' order."""
    last = {vote.agent: vote for vote in sorted(votes, key=lambda vote: vote.round) if vote.voice is Voice.RULES}
    return {agent: last[agent] for agent in AgentName if agent in last}


def tally(row: RankedHypothesis) -> str:
    """How many stand where."""
    positions = [vote.position for vote in latest(row.votes).values()]
    counts = [(positions.count(position), word) for position, word in POSITION_WORDS.items()]
    return ", ".join(
        f"{number} {'abstain' if position == 'abstains' and number != 1 else position}" for number, position in counts if number
    )


def count(number: int, noun: str) -> str:
    """So many of something."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
