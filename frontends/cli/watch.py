"""`middlewatch watch`: one investigation live, with its approvals, until nothing of it goes on any more."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from middlewatch.frontends.acts import act, actor, why
from middlewatch.frontends.cli.approval_desk import working
from middlewatch.frontends.cli.exit_codes import INTERRUPTED
from middlewatch.frontends.cli.naming import investigation_argument, investigation_id
from middlewatch.frontends.cli.output import application, print_report, report_code
from middlewatch.frontends.cli.progress import Progress, rules_answer
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.program import program
from middlewatch.frontends.steps import PRELIMINARY
from middlewatch.frontends.wording import is_stalled, standing
from middlewatch.records import ApprovalRequest, InvestigationState, Recovery
from middlewatch.records.errors import MiddlewatchError, Stalled
from middlewatch.settings import ascii_only, no_color

if TYPE_CHECKING:
    from middlewatch.app import App
    from middlewatch.live import Cursor, Update

WAIT_SECONDS = 1.0
"""How long one look for news waits in the store; Ctrl-C is heard at once."""


@click.command()
@investigation_argument
@click.option("--after", default="", metavar="CURSOR", help="Only what came after this one; with --json, each line names its own.")
@click.option("--json", "as_json", is_flag=True, help="Print each update as one line of JSON.")
def watch(investigation: str, after: str, as_json: bool) -> None:
    """Follow an investigation: what the agents do, the answer when it is there, then its approvals and what came of them.

    It ends when the investigation is answered and nothing that was asked for waits, runs or is watched any more. Ctrl-C ends the
    watching alone. Where no other process works, this one does as long as it watches. With --json what happened before comes first.

    Exits with 0 for a finding, 3 when the answer is "I don't know", 1 where it was cancelled or stalled, 130 after Ctrl-C.

    \b
    Examples:
      middlewatch watch inv-0123
      middlewatch watch inv-0123 --json | jq -r .kind
    """
    with application() as app:
        id_ = investigation_id(app, investigation)
        try:
            with working(app):
                _Watching(app, id_, as_json=as_json).run(after)
        except KeyboardInterrupt:
            later = f"is kept; go on with: {' '.join(program())} watch {id_}" if app.owner else "goes on without this terminal"
            print_line(f"{id_} {later}", err=True)
            sys.exit(INTERRUPTED)
        report = app.report(id_)
    if report is None:
        raise MiddlewatchError(
            f"The investigation {id_} was cancelled.", remedy=f"See what was found: {' '.join(program())} show {id_}"
        )
    sys.exit(report_code(report))


class _Watching:
    """One run: a table of the agents until there is an answer, and a line for whatever else happens."""

    def __init__(self, app: App, investigation: str, *, as_json: bool) -> None:
        self._app = app
        self._id = investigation
        self._as_json = as_json

    def run(self, after: str) -> None:
        from middlewatch.live import Cursor  # noqa: PLC0415  what it imports no --help needs

        row, end = self._app.investigation(self._id), self._app.live.end(self._id)
        begin = self._app.live.start(row.opened_at) if self._as_json and row.opened_at else Cursor(seq=end.seq)
        cursor = Cursor.parse(after) if after else begin
        if after or self._as_json or row.state is InvestigationState.OPEN:
            table = Progress(color=not no_color(), ascii_only=ascii_only()) if not self._as_json else None
            with table or nullcontext():
                cursor = self._until_answered(cursor, table)
        else:
            cursor = end
        report = self._app.report(self._id)
        if report is None:
            return
        if not self._as_json:
            print_report(report, as_json=False, details=False)
        first = True
        while going := self._going():
            if first and not self._as_json:
                for request in going:
                    print_line(f"{request.id} is {request.state}: {request.why}", err=True)
            first = False
            cursor = self._told(cursor, None)

    def _until_answered(self, cursor: Cursor, table: Progress | None) -> Cursor:
        while True:
            state = self._app.investigation(self._id).state
            before, cursor = cursor, self._told(cursor, table)
            if state is not InvestigationState.OPEN and cursor == before:
                return cursor
            if cursor == before and is_stalled(snapshot := self._app.snapshot(self._id)):
                raise Stalled(
                    f"The investigation {self._id} is {standing(snapshot)}.", remedy=f"Mend the cause: middlewatch show {self._id}"
                )

    def _told(self, cursor: Cursor, table: Progress | None) -> Cursor:
        """Tell what is new, or wait for it a moment."""
        updates, cursor = self._app.live.since(self._id, cursor, wait_seconds=WAIT_SECONDS)
        for update in updates:
            if self._as_json:
                click.echo(update.model_dump_json(ensure_ascii=True))
            elif update.actor:
                self._tell(update, table)
            elif table is not None:
                table.show(update)
                if update.kind == PRELIMINARY and (answer := rules_answer(self._app, self._id)):
                    table.say(answer)
        return cursor

    def _tell(self, update: Update, table: Progress | None) -> None:
        """What somebody did, on a line; above the table where there is one."""
        say = quotation()
        reason = f": {why(update.data)}" if why(update.data) else ""
        about = f" ({update.obj})" if update.obj and update.obj != self._id else ""
        line = (
            f"{update.at:%H:%M:%S} {actor(update.actor, say)} {act(update.kind, update.data, say, by=update.actor)}{about}{reason}"
        )
        if table is not None:
            table.say(line)
        else:
            print_line(line, err=True)

    def _going(self) -> list[ApprovalRequest]:
        """What was asked for and waits, runs, or is watched for its effect."""
        found = self._app.approvals.of(self._id)
        return [one for one in found if not one.state.terminal or (one.execution and one.execution.recovery is Recovery.WATCHING)]
