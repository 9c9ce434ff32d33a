"""The benchmark's command line: `python -m middlewatch.evals.scale --help`."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

import click
from pydantic import ValidationError

from middlewatch.evals.jobs import recordings_below
from middlewatch.evals.scale.benchmark import Recordings, Result, benchmark, place
from middlewatch.evals.scale.measuring import Round
from middlewatch.evals.scale.size import Size
from middlewatch.records.errors import BadInput, MiddlewatchError

MOST_PROBES: Final = 10.0
MOST_MIB: Final = 4096.0
MISSED: Final = 3
"""Exit code where a target was missed."""


EXAMPLES: Final = """\b
Examples:
  python -m middlewatch.evals.scale --spans 1000000
  python -m middlewatch.evals.scale --spans 1000000 --spans 10000000 --rounds 3 --json > scale.json
  python -m middlewatch.evals.scale --spans 10000000 --store .middlewatch/scale --recordings evals/recordings
"""


@click.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--spans", multiple=True, type=int, default=(10_000_000,), show_default=True, help="Spans; several: one store each.")
@click.option("--lines", type=int, help="Log lines; as many as spans where it is left out.")
@click.option("--services", type=int, default=200, show_default=True)
@click.option("--series", type=int, default=6000, show_default=True, help="Metric series.")
@click.option("--interval", type=int, default=15, show_default=True, help="Seconds between two samples of a series.")
@click.option("--hours", type=float, default=6.0, show_default=True, help="The last of them is investigated.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--rounds", type=click.IntRange(1, 20), default=1, show_default=True, help="Investigations, each in a fresh process.")
@click.option("--store", type=click.Path(path_type=Path, file_okay=False), help="Keep the stores here, and use them again.")
@click.option(
    "--recordings", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Also investigate these, in each store."
)
@click.option(
    "--peers", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="A Python with RCAEval: its times, too."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def main(  # noqa: PLR0913, PLR0917  click passes options by name, one argument each
    spans: tuple[int, ...],
    lines: int | None,
    services: int,
    series: int,
    interval: int,
    hours: float,
    seed: int,
    rounds: int,
    store: Path | None,
    recordings: Path | None,
    peers: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Fill a store with a made-up system's telemetry, break a service in its last hour, and time an investigation.

    The time is compared with that of a probe, asked in the same process: per service and minute, count, errors and p99 over all
    spans; count per severity over all log lines; minimum, mean and maximum of every metric series; one after the other.

    Ends with 0 where the right service was found within 10 probes and 4 GiB, and with 3 where not. Progress goes to standard error.
    """
    try:
        sizes = [
            Size(services=services, series=series, spans=n, lines=lines or n, hours=hours, interval_seconds=interval, seed=seed)
            for n in spans
        ]
        beside = Recordings(folders=recordings_below(recordings) if recordings else (), peers_python=peers)
        with place(store) as folder:
            results = [benchmark(folder, size, rounds, beside, _say) for size in sizes]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        _fail(BadInput(f"{first['loc'][0]}: {first['msg']}.", remedy="See --help."))
    except MiddlewatchError as error:
        _fail(error)
    if as_json:
        click.echo(json.dumps([result.model_dump(mode="json") for result in results], indent=1))
    else:
        for result in results:
            click.echo("\n".join(_in_words(result)))
    if any(r.ratio > MOST_PROBES or r.peak_mib > MOST_MIB or not r.right for result in results for r in result.rounds):
        sys.exit(MISSED)


def _in_words(result: Result) -> Iterator[str]:
    for measured in result.rounds:
        yield from _round_in_words(measured)
    for small, where in ((result.incidents, "the same store"), (result.incidents_alone, "a store of their own")):
        if small is not None:
            yield f"  {len(small.seconds)} recorded incidents in {where}: {small.median:.1f} s at the median"
            yield f"    {small.processor_median:.1f} s of processor time; load average {small.load:.1f}"
    for name, seconds in result.peers.items():
        yield f"  {name}: {statistics.median(seconds):.1f} s at the median of the same incidents"


def _round_in_words(measured: Round) -> Iterator[str]:
    size, probe = measured.size, measured.probe_seconds
    parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in probe.items())
    agents = ", ".join(f"{name} {seconds:.1f}" for name, seconds in measured.agents_seconds.items())
    verdict = f"right, {measured.blamed}" if measured.right else f"WRONG: {measured.outcome}, {measured.blamed or 'nobody'}"
    yield f"{size.spans:,} spans, {size.lines:,} lines, {size.series:,} series, {size.services} services: {verdict}"
    yield f"  {measured.seconds:.1f} s, {measured.ratio:.1f} probes"
    yield f"  {measured.processor_seconds:.1f} s of processor time, {measured.processor_ratio:.1f} times the probe's"
    yield f"  the probe: {sum(probe.values()):.2f} s ({parts}); load average {measured.load:.1f}"
    yield f"  peak memory {measured.peak_mib:,.0f} MiB, {measured.start_mib:,.0f} MiB before the first question"
    yield f"  agents: {agents}"
    yield from (f"  {note}" for note in measured.notes)


def _fail(error: MiddlewatchError) -> NoReturn:
    _say(str(error))
    sys.exit(error.exit_code)


def _say(text: str) -> None:
    click.echo(text, err=True)


if __name__ == "__main__":
    main()
