"""`middlewatch approvals propose`: a person proposes an action of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click
from pydantic import JsonValue

from middlewatch.frontends.cli import approval_desk as desk
from middlewatch.frontends.cli.output import application, json_option
from middlewatch.records import Remediation, Scalar
from middlewatch.records.errors import BadInput

_TRUTH = {"true": True, "false": False}


@click.command()
@click.argument("investigation")
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
    """Propose an ACTION on a TARGET, for the incident of an INVESTIGATION. Somebody else decides, unless policy names you for it.

    \b
    Examples:
      middlewatch actions list
      middlewatch approvals propose inv-0123456789ab restart_service checkout
      middlewatch approvals propose inv-0123456789ab scale_up checkout by=2 --note "load from the sale"
    """
    with application() as app, desk.working(app):
        person = desk.viewer(app)
        spec = app.approvals.spec(action)
        facts = evidence or app.approvals.facts_about(investigation, target)
        wanted = Remediation(
            tenant=app.settings.tenant,
            investigation=app.snapshot(investigation).investigation.id,
            action=spec.id,
            target=target,
            parameters=typed(spec.parameters_schema, spec.id, parameters),
            proposed_by=person.id if person else "",
            confidence=0.0,
            evidence=facts,
            undoes=undoes,
            note=note,
        )
        made = desk.prepared(app, app.approvals.propose_as(person, wanted).id)
        desk.print_made(app, made, person, f"{made.id} is {made.state}: {made.why}", as_json=as_json)


def typed(schema: Mapping[str, JsonValue], action: str, parameters: Sequence[str]) -> dict[str, Scalar]:
    """KEY=VALUE texts in the types that the catalogue's schema has for them.

    Raises:
        BadInput: no such parameter, or a value is not of its type.
    """
    properties = schema.get("properties", {})
    known = properties if isinstance(properties, dict) else {}
    found: dict[str, Scalar] = {}
    for text in parameters:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            names = ", ".join(known) or "none"
            raise BadInput(f"{text!r} is not KEY=VALUE of a parameter.", remedy=f"{action} takes: {names}")
        kind = known[name]
        try:
            found[name] = _value(kind.get("type") if isinstance(kind, dict) else None, value)
        except (ValueError, KeyError):
            wanted = kind.get("type") if isinstance(kind, dict) else "another value"
            raise BadInput(f"{name} is of the type {wanted}, and {value!r} is not.", remedy=f"Write {name}=VALUE.") from None
    return found


def _value(kind: object, text: str) -> Scalar:
    match kind:
        case "integer":
            return int(text)
        case "number":
            return float(text)
        case "boolean":
            return _TRUTH[text.lower()]
        case _:
            return text
