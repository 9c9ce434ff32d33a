"""`middlewatch approvals`: what waits for a decision, what exactly would run, and the decision."""

from __future__ import annotations

import json
import re
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from middlewatch.frontends.cli import approval_desk as desk
from middlewatch.frontends.cli.approval_desk import FACE, print_request
from middlewatch.frontends.cli.exit_codes import FAILED, INTERRUPTED, UNKNOWN
from middlewatch.frontends.cli.naming import MOST, request_argument, request_id, request_in
from middlewatch.frontends.cli.output import application, json_option, print_record
from middlewatch.frontends.cli.proposing import again, edit, propose, undo
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.request_wording import SHORT_DIGEST
from middlewatch.records import ApprovalRequest, Decision, Halt, Principal, RequestState
from middlewatch.records.errors import Refused

if TYPE_CHECKING:
    from middlewatch.app import App

S = RequestState
WATCH_SECONDS = 1.0

reason_option = click.option("--reason", default="", help="Why. The audit log keeps its digest; the text can be deleted.")
needed_reason = click.option("--reason", required=True, help="Why. The audit log keeps its digest; the text can be deleted.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def approvals() -> None:
    """Decide what may run. REQUEST is the id of a request, or its beginning.

    \b
    Example:
      middlewatch approvals list
    """


@approvals.command(name="list")
@click.option("--all", "everything", is_flag=True, help="Also what is over, newest first.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, MOST), help="How many.")
@json_option
def list_(*, everything: bool, limit: int, as_json: bool) -> None:
    """List what waits for somebody, the most urgent first. What exactly would run is in `approvals show`, also with --json.

    \b
    Example:
      middlewatch approvals list --all --limit 10
    """
    with application() as app:
        found = app.approvals.list(limit=limit) if everything else app.approvals.waiting()
        now, halt = app.approvals.now(), app.approvals.halted()
        found = tuple(desk.in_order(found, now)[:limit])
        held = {} if as_json else desk.held(app.approvals, found, now)
    if as_json:
        from middlewatch.cards import line  # noqa: PLC0415  what it imports no --help needs

        click.echo(json.dumps([line(request).model_dump(mode="json") for request in found], indent=1))
        return
    desk.print_halt(halt)
    if not found:
        print_line("No request was ever made." if everything else "Nothing waits for a decision.")
    else:
        desk.print_list(found, now, held, halted=halt is not None)


@approvals.command()
@request_argument
@click.option("--details", is_flag=True, help="Everything: the precondition, all notes, how the tier came about, the whole prose.")
@json_option
def show(request: str, *, details: bool, as_json: bool) -> None:
    """Show what exactly would run. On what, why, who decides, and what came of it.

    \b
    Example:
      middlewatch approvals show apr-0123456789ab --details
    """
    from middlewatch.cards import card  # noqa: PLC0415  what it imports no --help needs
    from middlewatch.watching import foreseen_in  # noqa: PLC0415  likewise

    with application() as app:
        shown = card(app.approvals, request_id(app.approvals, request), desk.viewer(app), face=FACE)
        shown = shown.model_copy(update={"request": foreseen_in(app.investigation, shown.request)})
    if as_json:
        print_record(shown)
    else:
        desk.print_card(shown, details=details)


def _whole(_context: click.Context, _option: click.Parameter, digest: str) -> str:
    """A digest is given whole: a part of one would be refused as another, which is not what is wrong with it."""
    if digest and not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise click.BadParameter(f"it has 64 hexadecimal digits, and this is {len(digest)} characters; give it whole.")
    return digest.lower()


@approvals.command()
@request_in(S.PREPARING, S.PENDING)
@click.option("--digest", default="", callback=_whole, help="Of what you were shown, whole. What would run now must still have it.")
@reason_option
@click.option("--yes", is_flag=True, help="Do not ask; needs --digest.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Stay until it was executed.")
@json_option
def approve(*, request: str, digest: str, reason: str, yes: bool, wait: bool, as_json: bool) -> None:
    """Approve exactly what is shown. It stays until it was executed; Ctrl-C leaves that running.

    Exits with 0 where it was done (or approved, with --no-wait), 1 where it failed or did not begin, 4 where nobody can tell,
    65 for an unknown request, 75 where others were first, 77 where it is refused.

    \b
    Examples:
      middlewatch approvals approve apr-0123456789ab
      middlewatch approvals approve apr-0123456789ab --yes --digest "$DIGEST" --no-wait
    """
    if yes and not digest:
        raise click.UsageError("--yes needs --digest: it says what you approve without being shown it.")
    with application() as app, desk.working(app) if wait else nullcontext():
        id_, person = request_id(app.approvals, request), desk.decider(app)
        if not yes and not sys.stdin.isatty() and app.approvals.show(id_, face="").state in {S.PREPARING, S.PENDING}:
            raise Refused(
                "Nobody can be asked here: this is not a terminal.",
                remedy="Run it in one, or give --yes and --digest of what you were shown.",
            )
        found = desk.prepared(app, id_)
        if found.state is S.PENDING and not yes:
            digest, reason = _asked(app, found.id, person, digest, reason, err=as_json)
        answer = app.approvals.decide(found.id, Decision.APPROVE, person, digest=digest or found.digest, reason=reason, face=FACE)
        print_line(_said(answer.request, person, changed=answer.changed), err=True)
        code = _end(app, found.id, wait=wait, as_json=as_json)
    sys.exit(code)


def _asked(  # what they gave, and where to show
    app: App, request: str, person: Principal | None, digest: str, reason: str, *, err: bool
) -> tuple[str, str]:
    """Show what would run and ask. A plain "y" is typed too easily at night; eight characters are read off what was shown.

    Returns:
        The digest of what was shown, and the reason.

    Raises:
        Refused: they may not, or it is not what they typed. Nothing was decided.
    """
    from middlewatch.cards import card as shown_to  # noqa: PLC0415  likewise

    card = shown_to(app.approvals, request, person, face=FACE)
    desk.print_card(card, details=False, question=True, err=err)
    if card.objection:
        return digest or card.request.digest, reason  # no question: the gateway refuses, and writes that down
    if digest not in {"", card.request.digest}:
        raise Refused("What would run now is not what has the digest that you gave.", remedy="Read it, and decide again.")
    if card.request.rule.reason_required and not reason.strip():
        reason = click.prompt("Policy asks for a reason", err=True)
    if outlasted := desk.outlasted(app, card):
        print_line(f"{card.freeze}{outlasted}", err=True)
    short = card.request.digest[:SHORT_DIGEST]
    typed = click.prompt(
        f"Approve exactly this? Type the first {SHORT_DIGEST} characters of the digest", default="", show_default=False, err=True
    )
    if typed.strip().lower() != short:
        raise Refused(
            "That is not the digest. Nothing was decided.",
            remedy=f"Try again: middlewatch approvals approve {card.request.id}",
        )
    return card.request.digest, reason


def _said(request: ApprovalRequest, person: Principal | None, *, changed: bool) -> str:
    from middlewatch.cards import verb  # noqa: PLC0415  likewise

    who = quotation().named(person.id) if person else "somebody"
    if request.state is S.PENDING:
        return f"{request.id} is approved by {who} and needs more approvals"
    return f"{request.id} {verb(request.state)}{'' if changed else ' already'}: {request.why}"


def _end(app: App, request: str, *, wait: bool, as_json: bool) -> int:
    """How it ended, and the exit code of that."""
    from middlewatch.cards import look  # noqa: PLC0415  likewise

    try:
        seen = desk.follow(app, request) if wait else look(app.approvals, request)
    except KeyboardInterrupt:
        later = "goes on without this terminal" if not app.owner else "goes on where a worker runs"
        print_line(f"{request} {later}", err=True)
        desk.print_command("Look at it", "show", request, err=True)
        return INTERRUPTED
    if not wait and (alone := desk.unattended(app, seen.request)):
        print_line(f"{request}: {alone}", err=True)
    if as_json:
        print_record(seen)
    elif seen.request.state is S.UNKNOWN:
        print_line("UNKNOWN: nobody can tell whether it was done. Look at the target, then say what you found:")
        desk.print_command("", "reconcile", request, "--help")
    elif seen.request.state is S.SUCCEEDED and seen.request.execution and seen.request.execution.undo:
        desk.print_command("To undo it", "undo", request)
    match seen.request.state:
        case S.SUCCEEDED | S.PENDING:
            return 0
        case S.UNKNOWN:
            return UNKNOWN
        case S.APPROVED | S.EXECUTING if not wait:
            return 0
        case _:
            return FAILED


@approvals.command()
@request_in(S.PREPARING, S.PENDING, S.APPROVED)
@reason_option
@json_option
def deny(request: str, reason: str, *, as_json: bool) -> None:
    """Deny a request. Whoever policy knows may; also what was approved, as long as it has not begun.

    \b
    Example:
      middlewatch approvals deny apr-0123456789ab --reason "the deploy is not the cause"
    """
    with application() as app:
        id_, person = request_id(app.approvals, request), desk.decider(app)
        answer = app.approvals.decide(id_, Decision.DENY, person, digest="", reason=reason, face=FACE)
    after = answer.request
    print_request(after, f"{id_} is denied: {after.why}", as_json=as_json)


@approvals.command()
@request_in(S.UNKNOWN)
@click.option("--happened/--did-not-happen", "happened", required=True, default=None, help="What you found at the other end.")
@needed_reason
@json_option
def reconcile(request: str, *, happened: bool, reason: str, as_json: bool) -> None:
    """Say what became of an execution that is UNKNOWN. Look at the target first: middlewatch believes you.

    \b
    Example:
      middlewatch approvals reconcile apr-0123456789ab --did-not-happen --reason "revision 41 still runs"
    """
    with application() as app:
        id_ = request_id(app.approvals, request)
        answer = app.approvals.reconcile(id_, desk.viewer(app), happened=happened, reason=reason, face=FACE)
    after = answer.request
    print_request(after, _said(after, None, changed=answer.changed), as_json=as_json)


@approvals.command(name="break-glass")
@request_in(S.APPROVED)
@click.option(
    "--credential-file",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    help="Your break-glass credential, alone in a file; - reads it from standard input.",
)
@needed_reason
@json_option
def break_glass(request: str, credential_file: Path, reason: str, *, as_json: bool) -> None:
    """Let an approved request begin in a freeze. It takes a manager, and skips nothing but the freeze; a review stays open.

    \b
    Example:
      middlewatch approvals break-glass apr-0123456789ab --credential-file ~/glass --reason "checkout is down"
    """
    text = sys.stdin.read() if str(credential_file) == "-" else credential_file.read_text(encoding="utf-8")
    with application() as app:
        id_, person = request_id(app.approvals, request), desk.viewer(app)
        after = app.approvals.break_glass(id_, person, credential=text.strip(), reason=reason, face=FACE)
        alone = desk.unattended(app, after)
    if alone:
        print_line(f"{id_}: {alone}", err=True)
    print_request(after, f"the glass is broken for {id_}: no freeze holds it up; somebody else has to review it", as_json=as_json)


@approvals.command()
@request_argument
@needed_reason
@json_option
def review(request: str, reason: str, *, as_json: bool) -> None:
    """Close the review of a broken glass. It takes a manager who did not break it.

    \b
    Example:
      middlewatch approvals review apr-0123456789ab --reason "it was right: the outage ended"
    """
    with application() as app:
        id_ = request_id(app.approvals, request)
        after = app.approvals.review_glass(id_, desk.viewer(app), reason=reason, face=FACE)
    print_request(after, f"the broken glass of {id_} is reviewed", as_json=as_json)


@approvals.command()
@json_option
def watch(*, as_json: bool) -> None:
    """Tell what changes, a line each, until Ctrl-C. What exactly would run is in `approvals show`, also with --json.

    \b
    Example:
      middlewatch approvals watch
    """
    from middlewatch.cards import line  # noqa: PLC0415  likewise

    known: dict[str, tuple[str, str]] | None = None
    before: Halt | None = None
    with application() as app:
        while True:
            found, now, halt = app.approvals.current(limit=MOST), app.approvals.now(), app.approvals.halted()
            if halt != before and not as_json:
                desk.print_halt(halt, lifted=True)
            for request in reversed(found):
                standing = (str(request.state), request.why)
                if request.state.terminal if known is None else known.get(request.id) == standing:
                    continue
                if as_json:
                    click.echo(line(request).model_dump_json(ensure_ascii=True))
                else:
                    what = f"{request.remediation.action} on {quotation().named(request.remediation.target)}"
                    print_line(f"{now:%H:%M:%S}  {request.id}  {what}  {request.state}: {request.why}")
            known, before = {one.id: (str(one.state), one.why) for one in found}, halt
            time.sleep(WATCH_SECONDS)


for _command in (propose, edit, again, undo):
    approvals.add_command(_command)
