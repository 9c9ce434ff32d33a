"""`middlewatch audit`: show the log, export it, verify an export, delete a text that it holds the digest of."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from middlewatch.frontends.cli.approval_desk import FACE, viewer
from middlewatch.frontends.cli.naming import object_id, offer_objects
from middlewatch.frontends.cli.output import application, json_option
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.program import program
from middlewatch.frontends.reading import count
from middlewatch.records.errors import AuditBroken, BadInput

if TYPE_CHECKING:
    from middlewatch.auditing import Entry, Verdict

SHOWN = 20
"""Findings of each sort on the terminal; `--json` has more of them."""
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def audit() -> None:
    """Show, export and verify the audit log.

    \b
    Example:
      middlewatch audit show
    """


@audit.command()
@click.argument("file", type=_FILE)
@click.option(
    "--public-key",
    "keys",
    type=_FILE,
    multiple=True,
    required=True,
    help="The log's public key, from where you keep it. Repeatable.",
)
@click.option(
    "--checkpoint", "checkpoints", type=_FILE, multiple=True, required=True, help="Signed checkpoints, best the copies. Repeatable."
)
@json_option
def verify(file: Path, keys: tuple[Path, ...], checkpoints: tuple[Path, ...], as_json: bool) -> None:
    """Check an exported log. Needs these files and nothing else: do it on another machine.

    Exits with 0 where FILE is what was signed, 4 where it is not, 65 where the input cannot be used.

    \b
    Example:
      middlewatch audit verify log.jsonl --public-key acme.pub --checkpoint copied.checkpoints
    """
    from middlewatch.auditing import verify_files  # noqa: PLC0415  what it imports no --help needs

    verdict = verify_files(file, keys, checkpoints)
    if as_json:
        click.echo(json.dumps(_verdict(verdict), indent=1))
    else:
        _print_verdict(file, verdict)
    sys.exit(0 if verdict.good else AuditBroken.exit_code)


@audit.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000), help="How many, the newest.")
@click.option(
    "--request",
    "about",
    default="",
    shell_complete=offer_objects,
    help="Only what is about this request or investigation (its beginning is enough), or another object by its id.",
)
@json_option
def show(limit: int, about: str, as_json: bool) -> None:
    """Show what was logged, the newest last. With it stand the texts that were not deleted.

    \b
    Example:
      middlewatch audit show --request apr-0123456789ab
    """
    from middlewatch.auditing import entries  # noqa: PLC0415  likewise

    with application() as app:
        obj = object_id(app, about) if about else ""
        found = entries(app.store.server, app.settings.tenant, limit=limit, request=obj)
    if as_json:
        click.echo(json.dumps([entry.model_dump(mode="json") for entry in found], indent=1))
        return
    if not found:
        print_line("Nothing is logged about that." if about else "Nothing is logged yet.")
    for entry in found:
        _print_entry(entry)


@audit.command()
@click.argument("file", type=_FILE)
@click.option("--force", is_flag=True, help="Replace the files where they exist.")
@json_option
def export(file: Path, force: bool, as_json: bool) -> None:
    """Write the log to FILE. Its checkpoints go to FILE.checkpoints, its public key to FILE.pub.

    \b
    Example:
      middlewatch audit export log.jsonl
    """
    from middlewatch.auditing import open_audit  # noqa: PLC0415  likewise

    with application() as app:
        settings = app.settings
        written = open_audit(settings, app.store.server).export(settings.tenant, file, force=force)
    if as_json:
        click.echo(json.dumps(asdict(written), default=str))
        return
    print_line(f"{written.file}: {count(written.events, 'event')}")
    print_line(f"{written.checkpoints_file}: {count(written.checkpoints, 'checkpoint')}")
    print_line(f"{written.public_key_file}: the public key")
    command = f"{' '.join(program())} audit verify {written.file} --public-key {written.public_key_file}"
    print_line(f"To check it: {command} --checkpoint {written.checkpoints_file}")
    print_line("That trusts this machine. Better: with the key and the checkpoints that were copied elsewhere.")
    if not settings.audit_copies:
        print_line("Checkpoints are copied NOWHERE: set MIDDLEWATCH_AUDIT_COPIES, or what is cut off the log is not noticed.")


@audit.command()
@click.argument("digest")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def forget(digest: str, yes: bool, as_json: bool) -> None:
    """Delete a text, such as a reason, as a manager. The log holds its digest.

    The log keeps the digest and says who deleted the text, and verifies as before.

    \b
    Example:
      middlewatch audit forget 4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a
    """
    if not yes:
        click.confirm("The text cannot be brought back. Delete it?", abort=True, err=True)
    with application() as app:
        there = app.approvals.forget_text(digest, viewer(app), face=FACE)
    if not there:
        raise BadInput("There is no text of this digest.", remedy="`middlewatch audit show --json` has the digests, under texts.")
    if as_json:
        click.echo(json.dumps({"forgotten": digest}))
    else:
        print_line("deleted; backups and exports that were made before are not touched")


@audit.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def rekey(yes: bool, as_json: bool) -> None:
    """Go on with the log under the key that is there now. The one that it was begun with is lost, or was stolen.

    Whoever checks exports needs the new public key as well as the old one. Every process must be restarted.

    \b
    Example:
      middlewatch audit rekey
    """
    from middlewatch.auditing import open_audit  # noqa: PLC0415  likewise

    if not yes:
        click.confirm("From now on another key signs the log. Go on?", abort=True, err=True)
    with application() as app:
        open_audit(app.settings, app.store.server).rekey(app.settings.tenant)
    if as_json:
        click.echo(json.dumps({"rekeyed": app.settings.tenant}))
    else:
        print_line("done; copy the new public key to where exports are checked, and restart every process")


def _print_entry(entry: Entry) -> None:
    say = quotation()
    parts = [f"{entry.seq:6d}", entry.ts, say.named(entry.actor), entry.event]
    parts += [say.named(entry.obj)] if entry.obj else []
    print_line("  ".join(parts))
    details = [f"{say.named(name)} {_value(entry, value)}" for name, value in entry.data.items() if value not in ("", None)]
    if entry.digest:
        details.insert(0, f"digest {entry.digest}")
    for detail in details:
        print_line(f"        {detail}")


def _value(entry: Entry, value: object) -> str:
    say = quotation()
    if isinstance(value, dict) and value.keys() == {"sha256"}:  # what somebody typed
        value = value["sha256"]
        if value not in entry.texts:
            return f"deleted, sha256 {say.named(str(value))}"
    if isinstance(value, str):
        return say.quoted(entry.texts[value]) if value in entry.texts else say.named(value)
    return say.clean(json.dumps(value, ensure_ascii=False))


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "good": verdict.good,
        "log": verdict.log,
        "events": verdict.events,
        "covered": verdict.covered,
        "uncovered": verdict.uncovered,
        "checkpoints": verdict.checkpoints,
        "problems": verdict.problems.count,
        "remarks": verdict.remarks.count,
        "found": [{"problem": True, **asdict(finding)} for finding in verdict.problems.kept]
        + [{"problem": False, **asdict(finding)} for finding in verdict.remarks.kept],
    }


def _print_verdict(file: Path, verdict: Verdict) -> None:
    for findings, sort in ((verdict.problems, "problem"), (verdict.remarks, "remark")):
        for finding in findings.kept[:SHOWN]:
            place = f"{finding.file} line {finding.line}" if finding.line is not None else finding.file
            print_line(f"{sort}: {place}: {finding.what}")
        if findings.count > SHOWN:
            print_line(f"{sort}s: {findings.count - SHOWN:,} more")
    if verdict.good:
        signed = count(verdict.checkpoints, "checkpoint")
        print_line(f"good: {file} is what {verdict.log} signed, up to line {verdict.covered:,} ({signed})")
    else:
        held = f"up to line {verdict.covered:,} it is" if verdict.covered else "no part of it is known to be"
        print_line(f"NOT the log that was signed: {count(verdict.problems.count, 'problem')}; {held}")
    if verdict.uncovered:
        after = f"{count(verdict.uncovered, 'line')} after the last checkpoint"
        print_line(f"not covered: {after}; what was added or taken away there cannot be seen")
