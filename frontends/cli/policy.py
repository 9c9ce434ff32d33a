"""`middlewatch policy`: write a first policy, check one, explain what it means for an action, make a token."""

from __future__ import annotations

import getpass
import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from middlewatch.frontends.cli.output import UtcTime, application, json_option, mistakes_told, print_record
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.frontends.program import program
from middlewatch.frontends.quantity import duration, stamp
from middlewatch.frontends.reading import count
from middlewatch.records import BudgetState, Rule
from middlewatch.records.errors import Misconfigured
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from middlewatch.policies import Explanation

LABEL = 12
"""Columns of what stands before a line."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def policy() -> None:
    """Say who may decide what: write a first policy, check it, explain it.

    \b
    Example:
      middlewatch policy init
    """


@policy.command()
@click.option("--force", is_flag=True, help="Replace the policy that is there.")
@json_option
def init(force: bool, as_json: bool) -> None:
    """Write a first policy: you as a manager who works alone. Edit it to name the others.

    \b
    Example:
      middlewatch policy init
    """
    from middlewatch.policies import init_policy  # noqa: PLC0415  what it imports no --help needs

    user = getpass.getuser()
    settings = Settings.load()
    path = init_policy(settings, user, force=force)
    if as_json:
        click.echo(json.dumps({"file": str(path), "user": user}))
        return
    here = " ".join(program())
    print_line(f"Wrote {path}, which only you can read.")
    print_line(f"You, {user}, are a manager and may approve what you propose. Now name the others in it: members, leads, managers;")
    print_line("how they are known in Slack or by a token; and when nothing may change.")
    print_line(f"  {here} policy check")
    if not settings.actions_path.exists():
        print_line(f"  {here} actions init")
    print_line(f"  {here} policy explain run_try inventory")


@policy.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@json_option
def check(file: Path | None, as_json: bool) -> None:
    """Say every mistake in a policy file with its line. In FILE or in the one in force; exits with 78 where there is one.

    Rules for actions and targets that are not configured are mistakes as well: they would do nothing, and say nothing.

    \b
    Example:
      middlewatch policy check policy.toml
    """
    from middlewatch.policies import check_policy  # noqa: PLC0415  likewise

    path, found, mistakes = check_policy(Settings.load(), file)
    if as_json:
        digest = found.digest if found else None
        click.echo(json.dumps({"file": str(path), "digest": digest, "mistakes": mistakes_told(mistakes)}, indent=1))
    elif found:
        print_line(f"{path}: {count(len(found.principals), 'active principal')}, no mistake")
        for person in found.principals.values():
            print_line(f"  {person.id}: {person.role}")
    else:
        for mistake in mistakes:
            print_line(str(mistake))
    sys.exit(0 if found else Misconfigured.exit_code)


@policy.command()
@click.argument("action")
@click.argument("target")
@click.option("--confidence", default=1.0, show_default=True, type=click.FloatRange(0, 1), help="Of the finding.")
@click.option("--undo", is_flag=True, help="It takes a recorded change back.")
@click.option("--at", type=UtcTime(), help="When; now where left out.")
@click.option(
    "--budget",
    type=click.Choice([state.value for state in BudgetState]),
    help="As if the target's error budget were so.",
)
@click.option("--as", "viewer", metavar="PRINCIPAL", help="Say what this principal can do.")
@json_option
def explain(
    action: str,
    target: str,
    confidence: float,
    undo: bool,
    at: datetime | None,
    budget: str | None,
    viewer: str | None,
    as_json: bool,
) -> None:
    """Say what policy means for an ACTION on a TARGET. Its tier and why, who decides, when nothing may begin.

    \b
    Example:
      middlewatch policy explain rollback_deploy checkout --undo --confidence 0.7
    """
    from middlewatch.policies import explain_policy, proposed  # noqa: PLC0415  likewise

    case = proposed(target, undo=undo, confidence=confidence, budget=BudgetState(budget) if budget else None)
    told = explain_policy(Settings.load(), action, case, at=at, viewer=viewer)
    if as_json:
        print_record(told)
    else:
        _print_explanation(told)


@policy.command()
@click.argument("principal")
@json_option
def token(principal: str, as_json: bool) -> None:
    """Make a token for a PRINCIPAL and print it, this once. With it stands the line of the policy file that knows it.

    \b
    Example:
      middlewatch policy token ann
    """
    from middlewatch.policies import make_token  # noqa: PLC0415  likewise

    settings = Settings.load()
    made = make_token(settings, principal)
    if as_json:
        click.echo(json.dumps({"principal": principal, **asdict(made)}, indent=1))
        return
    print_line(made.token)
    print_line(f"It is shown this once: give it to {principal}, who sets MIDDLEWATCH_TOKEN to it.", err=True)
    print_line(f"In {settings.policy_path}, below [principals.{principal}]:", err=True)
    print_line(f"  {made.line}", err=True)
    print_line(made.lacks, err=True)


@policy.command()
@click.argument("action")
@click.argument("target")
@json_option
def trust(action: str, target: str, as_json: bool) -> None:
    """Lower an ACTION on a TARGET by one tier, as a manager. It takes the successes that policy asks for, and holds from now on.

    The first one that is undone ends it. Every such move is in the audit log.

    \b
    Example:
      middlewatch policy trust restart_service checkout
    """
    with application() as app:
        person = app.approvals.identify(app.approvals.local_identity(), face="cli")
        moved = app.approvals.confirm_trust(action, target, person)
    if as_json:
        print_record(moved)
    else:
        print_line(f"{moved.action} on {moved.target} runs one tier lower; confirmed by {moved.confirmed_by}")
        print_line(f"It was done {count(moved.successes, 'time')} in a row, and the symptom went away each time.")


def _print_explanation(told: Explanation) -> None:
    rule = told.rule
    print_line(f"{told.action} on {told.target}: {rule.tier if rule else 'not allowed'}")
    if told.offered is False:
        _line("", "The target does not offer it: see the configuration of actions.")
    if rule is None:
        _line("Refused", told.refused)
    else:
        for step in rule.tier_because:
            _line("", step)
        _print_rule(told, rule)
    _print_freezes(told)
    if told.trust_after is not None:
        times = count(told.trust_after, "time")
        _line("Trust", f"approved, executed and verified {times} without an undo, it may move one tier down if a manager confirms")
    if told.viewer is not None:
        may = "may approve it" if told.viewer.may_approve else "may not approve it"
        own = "also where they propose it" if told.viewer.may_approve_own else "not where they propose it"
        mcp = "over MCP as well" if told.viewer.may_approve_over_mcp else "not over MCP"
        _line(f"As {told.viewer.principal}", f"{may}, {own}, {mcp}" if told.viewer.may_approve else may)


def _print_rule(told: Explanation, rule: Rule) -> None:
    if rule.requires is None:
        _line("Approved by", "policy itself: nobody is asked")
    else:
        _line("Approved by", f"{told.needs}; now {', '.join(told.deciders)}")
        for asked in told.asked:
            when = f"after {duration(asked.after_seconds)}" if asked.after_seconds else "at once"
            _line("Asked", f"{when}: {asked.whom} ({', '.join(asked.reaches) or 'nobody'})")
        _line("Expires", f"after {duration(rule.deadline_seconds)} without a decision")
    reason = "; a reason is asked for" if rule.reason_required else ""
    _line("Begins", f"within {duration(rule.life_seconds)} after the approval{reason}")
    _line("Evidence", f"{count(rule.least_modalities, 'kind')} of telemetry, confidence of at least {rule.least_confidence:g}")
    if told.below_confidence:
        _line("", f"A confidence of {told.confidence:g} is too little: it is not proposed.")


def _print_freezes(told: Explanation) -> None:
    if not told.bound:
        _line("Freeze", "does not hold it up: " + ("it takes a change back" if told.undo else "it is of the info tier"))
        return
    if told.freeze is not None:
        reason = f", {told.freeze.reason}" if told.freeze.reason else ""
        _line("Freeze", f"{told.freeze.name}{reason}: until {stamp(told.freeze.ends_at)} UTC")
    ahead = f"from {stamp(told.next_freeze)} UTC" if told.next_freeze else "none ahead"
    _line("Freeze" if told.freeze is None else "", f"{'next ' if told.next_freeze else ''}{ahead}")


def _line(label: str, text: str) -> None:
    print_line(f"  {label:<{LABEL}}{text}")
