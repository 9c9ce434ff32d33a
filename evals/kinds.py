"""How often the kind of a cause is right, and how often a second cause is named for nothing.

Recordings name their faults in words of their own. What kind of cause a fault is stands in one table here, which no
investigation reads: nothing below `evals` imports this.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from middlewatch.evals.labels import LABELS_FILE, NOTHING, Label
from middlewatch.evals.scoring import brier, brier_of_constant, wilson
from middlewatch.records import CauseKind, KindChance, Prediction

Kind = tuple[CauseKind, str]
"""A kind and its detail; an empty detail stands for any."""

ACCEPTED: Mapping[str, tuple[Kind, ...]] = {
    "cpu_contention": ((CauseKind.SATURATION, "cpu"),),
    "cpu_consumed": ((CauseKind.SATURATION, "cpu"), (CauseKind.CODE, "slow_path")),
    "network_delay": ((CauseKind.NETWORK, ""),),
    "exception": ((CauseKind.CODE, "exception"),),
    "return": ((CauseKind.CODE, "wrong_result"),),
    "searchdelay": ((CauseKind.CONFIGURATION, ""), (CauseKind.CODE, "slow_path")),
    "searcherrorpercent": ((CauseKind.CONFIGURATION, ""), (CauseKind.CODE, "exception")),
    "resource_saturation": ((CauseKind.SATURATION, ""),),
    "dependency_failure": ((CauseKind.DEPENDENCY, ""),),
    "network": ((CauseKind.NETWORK, ""),),
    "code_exception": ((CauseKind.CODE, "exception"),),
    "code_wrong_result": ((CauseKind.CODE, "wrong_result"),),
    "code_slow_path": ((CauseKind.CODE, "slow_path"),),
    "configuration": ((CauseKind.CONFIGURATION, ""),),
    "load": ((CauseKind.LOAD, ""),),
    "data_or_queue": ((CauseKind.DATA, ""),),
    "infrastructure": ((CauseKind.INFRASTRUCTURE, ""),),
    "connection-leak": ((CauseKind.SATURATION, "connections"), (CauseKind.CODE, "")),
    "memory-leak": ((CauseKind.SATURATION, "memory"), (CauseKind.CODE, ""), (CauseKind.INFRASTRUCTURE, "")),
    "noisy-neighbour": ((CauseKind.SATURATION, "cpu"), (CauseKind.INFRASTRUCTURE, "")),
}
"""What counts as right for a fault: what is meant, what it is as well, such as a deploy that leaks connections, and what it cannot
be told from without changes, which some recordings lack. A label names a fault by a word of this table before or after a slash, or
with one inside."""


@dataclass(frozen=True, slots=True)
class KindAnswer:
    """One incident whose service was found."""

    fault: str
    named: KindChance
    right: bool
    """Whether the kind is one of the accepted."""
    exact: bool
    """Whether its detail is, too."""


Labels = Mapping[str, Sequence[Label]]
"""Per incident, one label for each fault."""


def labels_below(folder: Path) -> Labels:
    """Every label of every recording below a folder; an incident with two faults has two lines in its `labels.jsonl`."""
    found: dict[str, list[Label]] = defaultdict(list)
    for file in sorted(folder.rglob(LABELS_FILE)):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.strip():
                label = Label.model_validate_json(line)
                found[label.incident].append(label)
    return dict(found)


def fault_of(label: Label) -> str | None:
    """The word of `ACCEPTED` that names the fault; None for a quiet moment and for a fault that is not in the table."""
    if label.root_cause_service is None or label.root_cause_kind == NOTHING:
        return None
    general, _, special = label.root_cause_kind.partition("/")
    inside = (word for word in sorted(ACCEPTED, key=len, reverse=True) if word in label.root_cause_kind)
    return next((word for word in (special, general) if word in ACCEPTED), None) or next(inside, None)


def judged(predictions: Iterable[Prediction], labels: Labels) -> list[KindAnswer]:
    """The answers that named a right service first, and a kind; of the others the kind says nothing about the rules."""
    answers = []
    for prediction in predictions:
        for label in labels.get(prediction.incident, ()):
            fault = fault_of(label)
            if fault is None or prediction.kind is None or prediction.causes[:1] != (label.root_cause_service,):
                continue
            kind, detail = prediction.kind.kind, prediction.kind.detail
            same = [accepted for accepted in ACCEPTED[fault] if accepted[0] is kind]
            answers.append(KindAnswer(fault, prediction.kind, bool(same), any(wanted in ("", detail) for _, wanted in same)))
    return answers


def kinds_page(predictions: Sequence[Prediction], labels: Labels) -> str:
    """The figures as Markdown: the confusion table, how sure the kinds were, and the second causes."""
    answers = judged(predictions, labels)
    named = [answer for answer in answers if answer.named.kind is not CauseKind.UNKNOWN]
    lines = ["| fault | found | named | kind right | detail right | what was named |", "|---|---|---|---|---|---|"]
    for fault in sorted({answer.fault for answer in answers}):
        of_fault = [answer for answer in answers if answer.fault == fault]
        lines.append(_row(f"`{fault}`", of_fault))
    lines += [_row("all", answers), ""]
    if named:
        sure = [(answer.named.probability, answer.right) for answer in named]
        right = sum(answer.right for answer in named)
        interval = wilson(right, len(named))
        lines.append(
            f"Of {len(named)} kinds that were named, {right} are right ({interval.low:.2f} to {interval.high:.2f}, Wilson 95 %). "
            f"Brier score {brier(sure):.3f}, of a constant {brier_of_constant(sure):.3f}."
        )
    return "\n".join([*lines, *_second_causes(predictions, labels)]) + "\n"


def _second_causes(predictions: Sequence[Prediction], labels: Labels) -> list[str]:
    """How often a second cause is named for nothing, and how often two faults are both named."""
    lines = []
    findings = [p for p in predictions if p.causes and p.incident in labels]
    single = [p for p in findings if len(labels[p.incident]) == 1]
    double = [p for p in predictions if len(labels.get(p.incident, ())) > 1]
    if single:
        false = sum(len(p.causes) > 1 for p in single)
        upper = wilson(false, len(single)).high
        lines.append(
            f"A second cause was named in {false} of {len(single)} findings about one fault or none (95 %: below {upper:.2f})."
        )
    if double:
        both = sum(set(p.causes) == {label.root_cause_service for label in labels[p.incident]} for p in double)
        lines.append(f"Of {len(double)} incidents with two faults, both were named in {both}.")
    return lines


def _row(name: str, answers: Sequence[KindAnswer]) -> str:
    known = [answer for answer in answers if answer.named.kind is not CauseKind.UNKNOWN]
    said = Counter(f"{a.named.kind} {a.named.detail.replace('_', ' ')}".strip() for a in answers)
    words = ", ".join(f"{what} {number}" for what, number in said.most_common()) if name != "all" else ""
    right, exact = sum(answer.right for answer in known), sum(answer.exact for answer in known)
    return f"| {name} | {len(answers)} | {len(known)} | {right} | {exact} | {words} |"
