"""`middlewatch shadow`."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from middlewatch.frontends.cli.output import UtcTime, json_option, print_page, print_record, width
from middlewatch.frontends.cli.page import Column, Page, Span, Tone
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.quantity import duration, percent, stamp
from middlewatch.records.errors import BadInput, Unavailable
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from middlewatch.evals.past_alerts import PastAlert
    from middlewatch.evals.shadow import Said, Shadowed
    from middlewatch.intervals import Share

AGREEMENT = {
    "agrees": ("agrees", Tone.PLAIN),
    "quiet": ("agrees", Tone.PLAIN),
    "differs": ("differs", Tone.FAULT),
    "false_alarm": ("false alarm", Tone.FAULT),
    "silent": ("no answer", Tone.WAIT),
    "not_recorded": ("", Tone.SOFT),
}
MOST_ROWS = 40
"""Of the table; the file and JSON have all."""


@click.command()
@click.option(
    "--alerts",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Past alerts, one JSON line each; docs/shadow.md has the format.",
)
@click.option(
    "--recording",
    type=click.Path(path_type=Path, file_okay=False),
    help="Read the telemetry of this recording, and without --alerts ask about its incidents.",
)
@click.option("--from", "start", type=UtcTime(), help="Only alerts that fired then or later.")
@click.option("--to", "end", type=UtcTime(), help="Only alerts that fired before.")
@click.option(
    "--after",
    "after_seconds",
    type=click.FloatRange(60, 3600),
    default=60.0,
    show_default=True,
    help="With --alerts: seconds after each alert at which it is asked. Nothing later is read.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append each answer to this file. Run again with the same file, only what is missing is asked.",
)
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Alerts at a time; each takes a core and about 1 GB."
)
@json_option
def shadow(
    alerts: Path | None,
    recording: Path | None,
    start: datetime | None,
    end: datetime | None,
    after_seconds: float,
    output: Path | None,
    jobs: int,
    as_json: bool,
) -> None:
    """Say of past alerts what it would have said, beside what your team recorded as their causes.

    The telemetry is that of the tables that your settings name, or of a --recording. Nobody is told of anything: nothing is posted,
    proposed or acted on, and no investigation appears in anybody's inbox; the store is one of its own and is thrown away.

    Ctrl-C keeps what is answered. Exits with 0 where all are answered, whatever the answers are; 65 where a line cannot be used.

    \b
    Examples:
      middlewatch shadow --recording evals/recordings/shop-slow-pages
      middlewatch shadow --alerts alerts.jsonl --from 2026-10-01 --to 2026-11-01 --output october.jsonl --jobs 2
    """
    if alerts is None and recording is None:
        raise click.UsageError("Give --alerts, --recording, or both.")
    from middlewatch.evals import shadow as shadowing  # noqa: PLC0415  takes seconds to import, and no --help needs it
    from middlewatch.evals.past_alerts import read_alerts, recorded_alerts  # noqa: PLC0415  likewise

    everything = read_alerts(alerts, datetime.now(UTC), after_seconds=after_seconds) if alerts else ()
    if recording is not None and alerts is None:
        everything = recorded_alerts(recording)
    chosen = tuple(one for one in everything if (start is None or one.time >= start) and (end is None or one.time < end))
    if not chosen:
        raise BadInput("There is no alert to ask about.", remedy="Give others, or another time with --from and --to.")
    settings, asked = Settings.load(), shadowing.Asked(chosen, everything, recording)
    name = asked.telemetry(settings)
    known = shadowing.read_said(output) if output else {}
    writer = _Writer(output)
    done = sum(one.key(name) in known and not known[one.key(name)].problem for one in chosen)
    if done:
        print_line(f"{done} of {len(chosen)} are answered in {output} already", err=True)

    def on_answer(said: Said) -> None:
        nonlocal done
        known[said.key] = said
        writer.write(said)
        done += 1
        print_line(f"{done:4d} of {len(chosen)}  {_told(said)}", err=True)

    try:
        failures = shadowing.ask(asked, settings, known=known, jobs=jobs, on_answer=on_answer)
    except KeyboardInterrupt:
        _print(_all(chosen, name, known), as_json=as_json)
        print_line(f"stopped at {done} of {len(chosen)}{'; the same command goes on from there' if output else ''}", err=True)
        raise
    found = _all(chosen, name, known)
    _print(found, as_json=as_json)
    for failure in failures:
        print_line(f"not all were answered: {failure.message}", err=True)
    if failures:
        sys.exit(failures[0].exit_code)


class _Writer:
    """Appends answers, each at once, so that nothing that ends the command loses one."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        if file is not None:
            self._append("")
            whole = file.read_bytes()
            os.truncate(file, whole.rfind(b"\n") + 1)  # the end of a line that somebody was killed at is nothing

    def write(self, said: Said) -> None:
        if self._file is not None:
            self._append(said.model_dump_json() + "\n")

    def _append(self, text: str) -> None:
        assert self._file is not None  # noqa: S101  the callers looked
        try:
            with self._file.open("a", encoding="utf-8") as opened:
                opened.write(text)
        except OSError as error:
            problem = f"{self._file} cannot be written: {error.strerror}."
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise Unavailable(problem, remedy="Free some space and run the same command again.") from None
            raise BadInput(problem, remedy="Choose another file for --output.") from None


def _all(chosen: tuple[PastAlert, ...], name: str, known: Mapping[str, Said]) -> Shadowed:
    from middlewatch.evals.shadow import Shadowed, compared_again, summed  # noqa: PLC0415  see above

    found = [compared_again(known[key], one) for one in chosen if (key := one.key(name)) in known]
    return Shadowed(summary=summed(found, len(chosen)), answers=tuple(found))


def _told(said: Said) -> str:
    say = quotation()
    what = f"{say.quoted(said.causes[0])} {percent(said.confidence)}" if said.causes else said.problem or "no answer"
    words = AGREEMENT[said.agreement][0]
    return f"{say.named(said.alert.id)}  {what}{f', {words}' if words and not said.problem else ''}  {said.seconds:.1f} s"


def _print(found: Shadowed, *, as_json: bool) -> None:
    if as_json:
        print_record(found)
        return
    page, summary = Page(width(), quotation()), found.summary
    columns = (
        Column("fired (UTC)"),
        Column("alarmed", elastic=True),
        Column("would have said"),
        Column("you recorded"),
        Column(""),
    )
    page.table(columns, [_row(one, page) for one in found.answers[:MOST_ROWS]])
    if len(found.answers) > MOST_ROWS:
        page.paragraph(Span(f"{len(found.answers) - MOST_ROWS} more: --json or --output", Tone.SOFT))
    page.blank()
    failed = f", {summary.failed} failed" if summary.failed else ""
    page.entry("Alerts", Span(f"{summary.answered} of {summary.alerts} answered, {summary.findings} with a cause{failed}"))
    page.entry(
        "Your cause", Span(f"named first for {_share(summary.named)}; among the first three for {_share(summary.first_three)}")
    )
    page.entry("When it says", Span(f"right for {_share(summary.right)}"))
    page.entry("Nothing wrong", Span(f"a service blamed for {_share(summary.false_alarms)}"))
    if summary.not_recorded:
        page.entry("Not recorded", Span(f"{summary.not_recorded}: nobody can tell"))
    if summary.seconds_median is not None and summary.seconds_longest is not None:
        page.entry(
            "Took", Span(f"{duration(summary.seconds_median)} at the median, {duration(summary.seconds_longest)} at the longest")
        )
    print_page(page)


def _row(one: Said, page: Page) -> tuple[Span, ...]:
    say, recorded = page.say, one.alert.causes
    if one.problem:
        return (
            Span(stamp(one.alert.time)),
            Span(say.named(one.alert.service or one.alert.id)),
            Span(f"failed: {one.problem}", Tone.FAULT),
        )
    what = f"{say.named(one.causes[0])}, {percent(one.confidence)}" if one.causes else "no answer"
    theirs = "" if recorded is None else ", ".join(map(say.named, recorded)) or "nothing wrong"
    words, tone = AGREEMENT[one.agreement]
    return (
        Span(stamp(one.alert.time)),
        Span(say.named(one.alert.service or one.alert.id)),
        Span(what),
        Span(theirs),
        Span(words, tone),
    )


def _share(found: Share) -> str:
    if found.share is None:
        return "no alert: there was nothing to compare"
    low, high = 100 * found.interval.low, 100 * found.interval.high
    return f"{found.hits} of {found.of} ({100 * found.share:.0f} %, 95 % interval {low:.0f} to {high:.0f} %)"
