"""An investigation whose rules have answered, and at which language models look: a step before its report."""

from __future__ import annotations

from middlewatch.app import App
from middlewatch.records import Claim, Completion, FanOut, Report, Task, TaskKind
from tests.report_finding import finding


def finding_of(investigation: str) -> Report:
    """The made-up finding, whole, as one of another investigation."""
    return Report.model_validate_json(finding().model_dump_json().replace(finding().investigation, investigation))


def answered_by_rules(app: App, report: Report, investigation: str) -> Claim:
    """Let the rules of an open investigation answer; somebody is at what models do about it.

    Args:
        app: the open one is the only one with a task to do.
        report: what they answer, of that investigation.
        investigation: its id.

    Returns:
        Their claim, to hand the report in with.
    """
    claim = app.store.claim("rules")
    assert claim is not None
    task = Task(tenant=report.tenant, investigation=investigation, id="r1-challenge", kind=TaskKind.CHALLENGE)
    app.store.finish(claim, Completion(evidence=report.evidence, preliminary=report, fan_out=FanOut(tasks=(task,))))
    held = app.store.claim("models")
    assert held is not None
    return held
