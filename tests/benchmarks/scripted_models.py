"""What scripted language models cost and are worth over the lab's suite, into docs/measurements/models.md: `make measure-models`.

    .venv/bin/python -m tests.benchmarks.scripted_models --kept .middlewatch/measured/models.new.jsonl

Every incident is investigated three times by the whole application, with a scripted model behind the seam: as it is, each dialogue
calling one tool; with names and times hidden, each calling two; and hidden without traces, each answering at once. In the first two
it waits and writes as much as a real model would. What was asked is kept, and it goes on where it was stopped. Voters of known
skill are then put in the place of its votes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from middlewatch.evals.jobs import recordings_below
from middlewatch.evals.publish import with_blocks
from middlewatch.evals.reasoned import Asking, reasoned
from middlewatch.settings import Settings
from tests.benchmarks.scripted_costs import cost_blocks
from tests.benchmarks.scripted_runs import RUNS, Said, kept_said, left
from tests.benchmarks.scripted_speaker import Speaker
from tests.benchmarks.scripted_voters import vote_blocks

SUITE = Path("evals/recordings/lab-suite")
PAGE = Path("docs/measurements/models.md")


def asked(recordings: Sequence[Path], found: Sequence[Said], ends: float) -> Iterator[Said]:
    """What is not known yet, until a time of the monotonic clock."""
    for name in RUNS:
        asking = left(name, found)
        for recording in recordings:
            if asking.missing(recording) and time.monotonic() < ends:
                yield from _asked(recording, name, asking, ends)


def _asked(recording: Path, name: str, asking: Asking, ends: float) -> Iterator[Said]:
    speaker = Speaker(RUNS[name].looks, billed=RUNS[name].billed)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder) / "data")
        for one in reasoned(recording, settings, asking=asking, model=speaker.model()):
            yield Said(run=name, reasoned=one, calls=tuple(speaker.calls))
            if time.monotonic() > ends:
                return
            speaker.begin()


@click.command()
@click.option("--kept", type=click.Path(path_type=Path), required=True, help="Where what was asked is kept.")
@click.option("--seconds", default=3600.0, show_default=True, help="After so long no further incident is asked about.")
@click.option("--seed", default=0, show_default=True, help="Of the voters.")
def main(kept: Path, seconds: float, seed: int) -> None:
    """Ask what was not asked yet, and write the tables when all of it was."""
    recordings, found = recordings_below(SUITE), list(kept_said(kept))
    for said in asked(recordings, found, time.monotonic() + seconds):
        found.append(said)
        with kept.open("a", encoding="utf-8") as file:
            file.write(said.model_dump_json() + "\n")
        one = said.reasoned
        click.echo(
            f"{len(found)}  {one.recording}  {one.incident}  {one.seconds} s  ${one.dollars or 0.0:.4f}  {one.problems}", err=True
        )
    if any(left(name, found).missing(recording) for name in RUNS for recording in recordings):
        click.echo("not all was asked yet: run it again", err=True)
        return
    blocks = {**cost_blocks(found), **vote_blocks(found, seed)}
    PAGE.write_text(with_blocks(PAGE.read_text(encoding="utf-8"), blocks), encoding="utf-8")


if __name__ == "__main__":
    main()
