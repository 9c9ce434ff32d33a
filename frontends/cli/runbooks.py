"""`middlewatch runbooks`: what of a team's runbooks is read, what is wrong with them, and what they say about an investigation."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from middlewatch.frontends.cli.naming import investigation_argument, investigation_id
from middlewatch.frontends.cli.output import application, json_option, print_page, width
from middlewatch.frontends.cli.page import Page
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.reading import count
from middlewatch.records.errors import BadInput, Misconfigured
from middlewatch.settings import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def runbooks() -> None:
    """Say what is read of your runbooks, and what they say. Markdown in the folder that MIDDLEWATCH_RUNBOOKS names.

    \b
    Examples:
      middlewatch runbooks check
      middlewatch runbooks cite inv-0123
    """


@runbooks.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@json_option
def check(folder: Path | None, as_json: bool) -> None:
    """Say everything that is not read, or not understood. In FOLDER or in the one in force; exits with 78 where there is something.

    \b
    Example:
      middlewatch runbooks check ./runbooks
    """
    from middlewatch.runbooks import Runbooks  # noqa: PLC0415  what it imports no --help needs

    read = Runbooks(folder or _folder())
    shelf = read.shelf()
    if as_json:
        flaws = [{"file": one.file, "line": one.line, "what": one.what} for one in shelf.flaws]
        told = {"folder": str(read.folder), "files": len(shelf.runbooks), "revision": shelf.revision or None, "flaws": flaws}
        click.echo(json.dumps(told, indent=1))
    else:
        for flaw in shelf.flaws:
            print_line(str(flaw))
        sections = sum(len(book.sections) for book in shelf.runbooks)
        at = f" at {shelf.revision[:12]}" if shelf.revision else ""
        verdict = count(len(shelf.flaws), "thing") + " to mend" if shelf.flaws else "no mistake"
        print_line(f"{read.folder}{at}: {count(len(shelf.runbooks), 'runbook')}, {count(sections, 'section')}, {verdict}")
    sys.exit(Misconfigured.exit_code if shelf.flaws else 0)


@runbooks.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List every runbook with its sections and front matter.

    \b
    Example:
      middlewatch runbooks list --json | jq -r '.[].file'
    """
    from middlewatch.runbooks import Runbooks  # noqa: PLC0415  likewise

    shelf = Runbooks(_folder()).shelf()
    if as_json:
        rows = [
            {
                "file": book.file,
                "names": {key: list(terms) for key, terms in book.terms.items()},
                "sections": [{"heading": one.heading, "line": one.line} for one in book.sections],
            }
            for book in shelf.runbooks
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    say = quotation()
    for book in shelf.runbooks:
        names = "; ".join(f"{key}: {', '.join(map(say.named, terms))}" for key, terms in book.terms.items())
        print_line(f"{say.named(book.file)}{f' ({names})' if names else ''}")
        for one in book.sections:
            print_line(f"  {one.line}: {say.clean(one.heading)}")
    if not shelf.runbooks:
        print_line("There is no Markdown file in it.")


@runbooks.command()
@investigation_argument
@json_option
def cite(investigation: str, as_json: bool) -> None:
    """Say what the runbooks, as they are now, say about an investigation. INVESTIGATION is an id, or its beginning.

    The report has what they said when it was written. Exits with 65 where there is no report yet, 78 where they cannot be read.

    \b
    Example:
      middlewatch runbooks cite inv-0123
    """
    _folder()
    with application() as app:
        report = app.report(id_ := investigation_id(app, investigation))
        if report is None:
            raise BadInput(
                f"The investigation {id_} has no report yet, so there is nothing to look up.",
                remedy=f"See where it stands: middlewatch show {id_}",
            )
        found = app.runbooks.passages(report)
    if as_json:
        click.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=1))
        return
    from middlewatch.frontends.cli.runbook_page import write_passages  # noqa: PLC0415  likewise

    if not found:
        print_line("No section of a runbook matches it.")
    page = Page(width(), quotation())
    write_passages(page, report.model_copy(update={"runbooks": found}), details=True)
    print_page(page)


def _folder() -> Path:
    folder = Settings.load().runbooks
    if folder is None:
        raise Misconfigured("No runbooks are configured.", remedy="Name their folder in MIDDLEWATCH_RUNBOOKS (docs/runbooks.md).")
    return folder
