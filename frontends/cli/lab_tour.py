"""`middlewatch lab tour`: the closed loop on a terminal."""

from __future__ import annotations

import getpass
import json
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from textwrap import wrap
from types import FrameType
from typing import TYPE_CHECKING

import click

from middlewatch.evals.lab.faults import FAULTS, Fault
from middlewatch.evals.lab.telling import PROGRAM
from middlewatch.evals.lab.tour_timeline import BASELINE_SECONDS, FAULT, TourResult
from middlewatch.frontends.cli.exit_codes import INTERRUPTED
from middlewatch.frontends.cli.output import colored, json_option, width
from middlewatch.frontends.cli.progress import Progress
from middlewatch.frontends.cli.report import render_report
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.program import program
from middlewatch.frontends.request_wording import SHORT_DIGEST
from middlewatch.records import ApprovalRequest, InvestigationState, Report
from middlewatch.records.errors import BadInput
from middlewatch.settings import Settings, ascii_only, no_color

if TYPE_CHECKING:
    from middlewatch.evals.lab.tour_site import Site

FOLDER = "live"
HANG = " " * len("00:00:00 ")
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WAIT_SECONDS = 0.5


@click.command()
@click.option(
    "--unattended", is_flag=True, help="Play the lead as well: approve what is proposed, by the command that a person uses."
)
@click.option("--fault", default=FAULT, show_default=True, help="What goes wrong; `middlewatch lab faults` lists them.")
@click.option("--service", default="", help="Where, if it can be done in several services; the first of them otherwise.")
@click.option(
    "--baseline", default=BASELINE_SECONDS, show_default=True, type=click.FloatRange(20, 3600), help="Healthy seconds before it."
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0), help="What customers do is drawn from it.")
@click.option("--keep", is_flag=True, help="Unattended, too, leave it up afterwards to be looked at, until Ctrl-C.")
@json_option
def tour(unattended: bool, fault: str, service: str, baseline: float, seed: int, keep: bool, as_json: bool) -> None:
    """See the closed loop in about three minutes. A bad deploy, the alert, the cause, your approval, the roll back, recovery.

    A small shop of real processes is started, and `middlewatch serve` beside it, in the folder `live` of the data directory,
    which every tour begins anew. Nothing is simulated but the customers. Approve in the terminal or in the browser. Ctrl-C ends
    everything at any moment; nothing is left running. Needs the extra `lab` and redis-server.

    Exits with 0 where the loop closed and the blamed cause was the true one, and with 1 where not. What took longer than its goal
    is said.

    \b
    Examples:
      middlewatch lab tour
      middlewatch lab tour --unattended --json
      middlewatch lab tour --fault bad-canary --keep
    """
    _refuse_unknown(fault, service)
    from middlewatch.evals.lab.tour import Tour  # noqa: PLC0415  takes seconds to import with what follows, and no --help needs it
    from middlewatch.evals.lab.tour_site import site  # noqa: PLC0415  likewise

    folder = Settings.load().data_dir / FOLDER
    told = _Told(quiet=as_json)
    # "Ending" stands on a line that is written over, whichever way it ends.
    with closing(told), _interruptible(), site(folder, _program(), user=getpass.getuser(), seed=seed, say=told.progress) as stands:
        face = _Face(stands, folder, told, unattended=unattended)
        face.begin()
        result = Tour(stands, face, stands.customers, fault=fault, service=service, baseline_seconds=baseline).run()
        _print(result, told, as_json=as_json)
        if keep or (not unattended and sys.stdin.isatty()):
            face.stay()
    if not as_json:
        again = " ".join((*program(data_dir=folder), "serve"))
        print_line(f"Nothing of it runs any more. Look at it again: {again}")
    sys.exit(result.exit_code)


def _refuse_unknown(name: str, service: str) -> None:
    """Only what a roll back can mend closes the loop, but any fault may be looked at."""
    fault: Fault | None = FAULTS.get(name)
    if fault is None:
        raise BadInput(f"There is no fault {name!r}.", remedy="List them with: middlewatch lab faults")
    possible = dict.fromkeys(way.service for way in fault.ways)
    if service and service not in possible:
        raise BadInput(f"{name} cannot be done to {service!r}.", remedy=f"Choose one of: {', '.join(possible)}.")


def _program() -> tuple[str, ...]:
    """This program, so that what it prints to be run is named as it was started."""
    started = Path(sys.argv[0])
    return (str(started.absolute()),) if started.name == "middlewatch" and started.exists() else PROGRAM


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal interrupt once; what is ended then is ended in order, however often somebody asks."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        for each in ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in ENDING}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class _Told:
    """Lines, and one line that is written over again and again where the terminal can do that."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self._over = sys.stderr.isatty() and not quiet
        self._last = ""
        self._stands = False

    def say(self, words: str) -> None:
        self.clear()
        if not self.quiet:
            for line in words.split("\n"):
                for part in wrap(line, width(), subsequent_indent=HANG, break_long_words=False, break_on_hyphens=False):
                    print_line(part)
            sys.stdout.flush()

    def progress(self, words: str) -> None:
        if self._over:
            text = quotation().clean(words)[: width() - 1]
            click.echo(f"\r{text}\x1b[K", nl=False, err=True)
            self._stands = True
        elif not self.quiet and (step := words.partition(":")[0].partition(";")[0]) != self._last:
            self._last = step
            print_line(words, err=True)

    def close(self) -> None:
        self.clear()

    def clear(self) -> None:
        if self._stands:
            click.echo("\r\x1b[K", nl=False, err=True)
            self._stands = False


class _Face:
    """Shows a tour to somebody, and asks for the decision."""

    def __init__(self, stands: Site, folder: Path, told: _Told, *, unattended: bool) -> None:
        self._site = stands
        self._folder = folder
        self._told = told
        self._unattended = unattended
        self.say, self.progress = told.say, told.progress

    def begin(self) -> None:
        """Say where to look along."""
        self.say("A shop of seven real services runs, and middlewatch takes its telemetry in.")
        self.say(f"Look along; this signs you in once, within 10 min:\n  {self._link()}")

    def follow(self, investigation: str) -> None:
        self._told.clear()
        app = self._site.app
        page = f"{self._site.url}/investigations/{investigation}"
        self.say(f"{HANG}its page: {page}")
        if not sys.stderr.isatty():
            return
        cursor = app.live.start(app.investigation(investigation).alert.detected_at)
        with Progress(color=not no_color(), ascii_only=ascii_only()) as table:
            while app.investigation(investigation).state is InvestigationState.OPEN:
                updates, cursor = app.live.since(investigation, cursor, wait_seconds=_WAIT_SECONDS)
                for update in updates:
                    if not update.actor:
                        table.show(update)

    def answered(self, report: Report) -> None:
        self._told.clear()
        text = render_report(
            report,
            width=width(),
            color=colored(),
            details=False,
            ascii_only=ascii_only(),
            program=program(data_dir=self._folder),
        )
        if not self._told.quiet:
            click.echo(text, color=colored(), nl=False)

    def decide(self, request: ApprovalRequest, decided: Callable[[], bool]) -> None:
        self._told.clear()
        if self._unattended:
            self.say(f"unattended: {' '.join(('middlewatch', *_approving(request)))[: width() - 15]}...")
            self._run(*_approving(request), "--yes", "--digest", request.digest, "--no-wait")
            return
        self.say(f"Decide in the browser: {self._site.url}/approvals/{request.id}")
        here = sys.stdin.isatty()
        if not here:
            self.say(f"or run: {self._command(*_approving(request))}")
            while not decided():
                self._site.check()
                time.sleep(_WAIT_SECONDS)
            return
        try:
            self._asked_here(request, decided)
        finally:
            click.echo(err=True)  # the prompt stands, decided elsewhere or not at all

    def _asked_here(self, request: ApprovalRequest, decided: Callable[[], bool]) -> None:
        short, shown = request.digest[:SHORT_DIGEST], False
        self._prompt("Or press Enter to decide here>")
        while not decided():
            self._site.check()
            if not select.select([sys.stdin], [], [], _WAIT_SECONDS)[0]:
                continue
            given = sys.stdin.readline().strip().lower()
            if shown and given == short:
                self._run(*_approving(request), "--yes", "--digest", request.digest, "--no-wait")
            else:
                self._run(*_approving(request), "--no-wait")
                shown = True
            if not decided():
                self.say("It is not decided yet. Deny it in the browser, or end the tour with Ctrl-C.")
                self._prompt(
                    f"Type the first {SHORT_DIGEST} characters of the digest to approve it, or press Enter to see it again>"
                )

    def _prompt(self, words: str) -> None:
        self._told.clear()
        click.echo(f"{words} ", nl=False, err=True)

    def stay(self) -> None:
        """Leave everything up until somebody has seen enough."""
        self.say(f"It stays up to be looked at, until Ctrl-C:\n  {self._link()}")
        self.say(f"Another link: {self._command('sign-in')}")
        try:
            while True:
                self._site.check()
                time.sleep(_WAIT_SECONDS)
        except KeyboardInterrupt:
            self._told.clear()

    def _link(self) -> str:
        """One that signs the system's user in once."""
        from middlewatch.frontends.serving import link  # noqa: PLC0415  takes seconds to import

        return link(self._site.app, self._site.url)

    def _command(self, *words: str) -> str:
        return " ".join((*program(data_dir=self._folder), *words))

    def _run(self, *words: str) -> None:
        """A command of this program on this terminal, as a person runs it."""
        done = subprocess.run((*_program(), *words), env=dict(self._site.environment), check=False, stdout=sys.stderr)  # noqa: S603  this program itself
        if done.returncode == INTERRUPTED:  # Ctrl-C at its question ends the tour as well
            raise KeyboardInterrupt


def _approving(request: ApprovalRequest) -> Sequence[str]:
    return ("approvals", "approve", request.id)


def _print(result: TourResult, told: _Told, *, as_json: bool) -> None:
    """The time line and the goals."""
    told.clear()
    if as_json:
        click.echo(json.dumps(result.told(), indent=1))
        return
    columns = min(width(), shutil.get_terminal_size().columns)
    for moment in result.moments():
        after = f"{moment.seconds:5.1f} s after {moment.after}" if moment.seconds is not None else ""
        print_line(f"{moment.at:%H:%M:%S}  {moment.words:{max(20, columns - 45)}s} {after}".rstrip())
    for goal in result.goals():
        took = "not reached" if goal.took_seconds is None else f"{goal.took_seconds:g} s"
        limit = f" (goal: {goal.limit_seconds:g} s)" if goal.limit_seconds else ""
        print_line(f"{'met   ' if goal.met else 'MISSED'}  {goal.name}: {took}{limit}")
    right = "is the truth" if result.right else f"is not the truth: it was {result.truth}"
    if result.blamed:
        print_line(f"The blamed cause, {' '.join(filter(None, (result.blamed, result.blamed_change)))}, {right}.")
    print_line("The loop closed." if result.closed else f"The loop did not close: {result.problem}")
