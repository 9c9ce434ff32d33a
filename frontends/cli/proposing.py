"""`middlewatch approvals propose`, `edit`, `again` and `undo`: a person proposes an action of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from middlewatch.frontends.cli import approval_desk as desk
from middlewatch.frontends.cli.naming import investigation_argument, investigation_id, request_argument, request_id
from middlewatch.frontends.cli.output import application, json_option
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.frontends.parameters import typed
from middlewatch.records import ApprovalRequest, Principal, Remediation

if TYPE_CHECKING:
    from middlewatch.app import App


@click.command()
@investigation_argument
@click.argument("action")
@click.argument("target")
@click.argument("parameters", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--evidence", multiple=True, help="Id of a fact that it rests on; every fact about the target where none is named.")
@click.option("--undoes", help="Evidence id of the recorded change that it takes back.")
@click.option("--note", default="", help="A word for those who decide; shown apart, as yours.")
@json_option
def propose(
    *,
    investigation: str,
    action: str,
    target: str,
    parameters: tuple[str, ...],
    evidence: tuple[str, ...],
    undoes: str | None,
    note: str,
    as_json: bool,
) -> None:
    """Propose an ACTION on a TARGET, for an INVESTIGATION. Somebody else decides, unless policy names you for it.

    \b
    Examples:
      middlewatch actions list
      middlewatch approvals propose inv-0123456789ab restart_service checkout
      middlewatch approvals propose inv-0123456789ab scale_up checkout by=2 --note "load from the sale"
    """
    with application() as app, desk.working(app):
        person = desk.viewer(app)
        spec = app.approvals.spec(action)
        incident = investigation_id(app, investigation)
        facts = evidence or app.approvals.facts_about(incident, target)
        wanted = Remediation(
            tenant=app.settings.tenant,
            investigation=incident,
            action=spec.id,
            target=target,
            parameters=typed(spec.parameters_schema, spec.id, parameters),
            proposed_by=person.id if person else "",
            confidence=0.0,
            evidence=facts,
            undoes=undoes,
            note=note,
        )
        made = app.approvals.propose_as(person, wanted)
        _print_asked(app, made, person, f"{made.id} is proposed", as_json=as_json)


@click.command()
@request_argument
@click.argument("parameters", nargs=-1, required=True, metavar="KEY=VALUE...")
@json_option
def edit(request: str, parameters: tuple[str, ...], *, as_json: bool) -> None:
    """Ask for the same action with other parameters. REQUEST is void then, and somebody else decides on the new one.

    \b
    Example:
      middlewatch approvals edit apr-0123456789ab by=2
    """
    from middlewatch.cards import look  # noqa: PLC0415  what it imports no --help needs

    def edited(app: App, id_: str, person: Principal | None) -> ApprovalRequest:
        seen = look(app.approvals, id_)
        schema = seen.spec.parameters_schema if seen.spec else {}
        wanted = seen.request.remediation.parameters | typed(schema, seen.request.remediation.action, parameters)
        return app.approvals.edit(id_, wanted, person, face=desk.FACE)

    _ask(request, edited, "{old} is void; {new} is asked for in its place", as_json=as_json)


@click.command()
@request_argument
@json_option
def again(request: str, *, as_json: bool) -> None:
    """Ask anew for exactly what was not done, such as what expired.

    \b
    Example:
      middlewatch approvals again apr-0123456789ab
    """

    def anew(app: App, id_: str, person: Principal | None) -> ApprovalRequest:
        return app.approvals.propose_again(id_, person, face=desk.FACE)

    _ask(request, anew, "{new} asks again for what {old} asked for", as_json=as_json)


@click.command()
@request_argument
@json_option
def undo(request: str, *, as_json: bool) -> None:
    """Ask for what takes an executed request back. It is decided on like everything else.

    \b
    Example:
      middlewatch approvals undo apr-0123456789ab
    """

    def taken_back(app: App, id_: str, person: Principal | None) -> ApprovalRequest:
        return app.approvals.undo(id_, person, face=desk.FACE)

    _ask(request, taken_back, "{new} asks for what takes {old} back", as_json=as_json)


def _ask(request: str, make: Callable[[App, str, Principal | None], ApprovalRequest], said: str, *, as_json: bool) -> None:
    """Make a request out of another one, and stay until people are asked about it. `said` names both, as `old` and `new`."""
    with application() as app, desk.working(app):
        id_, person = request_id(app.approvals, request), desk.viewer(app)
        made = make(app, id_, person)
        _print_asked(app, made, person, said.format(old=id_, new=made.id), as_json=as_json)


def _print_asked(app: App, made: ApprovalRequest, person: Principal | None, said: str, *, as_json: bool) -> None:
    """Stay until the executor has looked at the target: then people are asked, or nobody is and it says why."""
    print_line(said, err=True)
    found = desk.prepared(app, made.id)
    desk.print_made(app, found, person, f"{found.id} is {found.state}: {found.why}", as_json=as_json)
