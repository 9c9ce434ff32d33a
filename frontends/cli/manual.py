"""`middlewatch help` and `completion`: every command explained, on a terminal and as man pages, and what shells complete."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from middlewatch.frontends.cli.terminal import print_line

_SHELLS = {
    "bash": 'eval "$(middlewatch completion bash)"             # in ~/.bashrc',
    "zsh": 'eval "$(middlewatch completion zsh)"              # in ~/.zshrc, after compinit',
    "fish": "middlewatch completion fish > ~/.config/fish/completions/middlewatch.fish",
}
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
"""The one of `output`, which imports what would make every --help slow."""
_SEE_ALSO = "See also: "
_SECTION = re.compile(r"(Examples?|Exit codes|Commands):$")


@click.command(name="help")
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@click.option("--man", type=click.Path(path_type=Path, file_okay=False), help="Write all of it as man pages into this folder.")
@_json_option
@click.pass_context
def help_(context: click.Context, words: tuple[str, ...], man: Path | None, as_json: bool) -> None:
    """Explain middlewatch, or one of its commands.

    Exits with 2 where there is no such command.

    \b
    Examples:
      middlewatch help approvals deny
      middlewatch help --man ~/.local/share/man/man1 && man middlewatch-show
    """
    root = context.find_root()
    command = root.command
    place = click.Context(command, info_name="middlewatch", **command.context_settings)
    if man is not None:
        man.mkdir(parents=True, exist_ok=True)
        written = [_write(man, one) for one in _all(command, place)]
        if as_json:
            click.echo(json.dumps({"folder": str(man), "pages": [page.name for page in written]}))
        else:
            print_line(f"{man}: {len(written)} pages")
        return
    for word in words:
        inner = command.get_command(place, word) if isinstance(command, click.Group) else None
        if inner is None:
            raise click.UsageError(f"There is no command {' '.join(words)!r}. See: middlewatch help")
        place, command = click.Context(inner, info_name=word, parent=place), inner
    click.echo(json.dumps(_explained(place), indent=1) if as_json else command.get_help(place))


def _explained(place: click.Context) -> dict[str, object]:
    """A command's help for programs: what it takes, and what is below it."""
    command = place.command
    parameters = [one.to_info_dict() for one in command.get_params(place)]
    told = ("name", "param_type_name", "opts", "secondary_opts", "required", "nargs", "is_flag", "help")
    return {
        "command": place.command_path,
        "summary": command.get_short_help_str(200),
        "usage": command.get_usage(place),
        "help": command.get_help(place),
        "parameters": [{name: one[name] for name in told if name in one} for one in parameters],
        "commands": command.list_commands(place) if isinstance(command, click.Group) else [],
    }


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@_json_option
def completion(shell: str, as_json: bool) -> None:
    """Print what makes a shell complete commands, options, and the ids of investigations and requests.

    Ids are offered while a store answers: a server by URL, or `middlewatch serve` or `worker` on this data directory. Completing
    starts nothing and waits for nothing.

    \b
    Examples:
      eval "$(middlewatch completion bash)"             # in ~/.bashrc
      eval "$(middlewatch completion zsh)"              # in ~/.zshrc, after compinit
      middlewatch completion fish > ~/.config/fish/completions/middlewatch.fish
    """
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101  the choices above are those that click knows
    context = click.get_current_context().find_root()
    script = found(context.command, {}, "middlewatch", "_MIDDLEWATCH_COMPLETE").source()
    click.echo(json.dumps({"shell": shell, "script": script}) if as_json else script)


def see_also(command: click.Command, name: str, siblings: Mapping[str, object]) -> None:
    """Say at the end of its help, and of that of its own commands, what stands beside it and what codes it exits with.

    Args:
        command: as it is called.
        name: how, without the program's own name.
        siblings: the names beside it.
    """
    *above, last = name.split()
    others = ", ".join(other for other in siblings if other != last)
    beside = f"{' '.join(('middlewatch', *above))} {others}" if others else ""
    command.epilog = f"{_SEE_ALSO}{beside + '; ' if beside else ''}exit codes: middlewatch help"
    if isinstance(command, click.Group):
        for inner_name, inner in command.commands.items():
            see_also(inner, f"{name} {inner_name}", command.commands)


def _all(command: click.Command, place: click.Context) -> Iterator[click.Context]:
    """A command and those below it, each in its place."""
    yield place
    if isinstance(command, click.Group):
        for name in command.list_commands(place):
            inner = command.get_command(place, name)
            if inner is not None:
                yield from _all(inner, click.Context(inner, info_name=name, parent=place))


def _write(folder: Path, place: click.Context) -> Path:
    path = folder / f"{place.command_path.replace(' ', '-')}.1"
    path.write_text(man_page(place), encoding="utf-8")
    return path


def man_page(place: click.Context) -> str:
    """A command's page in man(7)'s macros."""
    command, name = place.command, place.command_path.replace(" ", "-")
    release = version("middlewatch")
    usage = " ".join(command.collect_usage_pieces(place))
    lines = [
        f'.TH "{name.upper()}" "1" "" "middlewatch {release}" "middlewatch"',
        *(".SH NAME", f"{_roff(name)} \\- {_roff(command.get_short_help_str(200))}"),
        *(".SH SYNOPSIS", f".B {_roff(place.command_path)}", _roff(usage)),
        ".SH DESCRIPTION",
        *_prose(command.help or ""),
    ]
    options = [record for one in command.get_params(place) if (record := one.get_help_record(place)) and record[1]]
    if options:
        lines += [".SH OPTIONS", *(line for flags, text in options for line in (".TP", f".B {_roff(flags)}", _roff(text)))]
    if isinstance(command, click.Group):
        inner = [(one, command.get_command(place, one)) for one in command.list_commands(place)]
        lines += [".SH COMMANDS"]
        lines += [
            line
            for one, found in inner
            if found
            for line in (".TP", f".BR {_roff(name)}-{_roff(one)} (1)", _roff(found.get_short_help_str(200)))
        ]
    return "\n".join([*lines, *_prose(command.epilog or "")]) + "\n"


def _prose(text: str) -> Iterator[str]:
    """Paragraphs; those that click leaves as they are, under headings of their own where they begin with one."""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        whole = paragraph.lstrip().startswith("\b")
        rows = [row.rstrip() for row in paragraph.replace("\b", "").strip("\n").splitlines()]
        rows = [row for row in rows if row.strip()]
        if whole and rows and (title := _SECTION.match(rows[0].strip())):
            yield f".SH {title[1].upper()}"
            rows = rows[1:]
        elif rows and rows[0].startswith(_SEE_ALSO):
            yield ".SH SEE ALSO"
            rows[0] = rows[0].removeprefix(_SEE_ALSO)
        else:
            yield ".PP"
        if whole:
            yield from (".nf", *(_roff(row.strip()) for row in rows), ".fi")
        else:
            yield _roff(" ".join(row.strip() for row in rows))


def _roff(text: str) -> str:
    """Text that roff obeys in nothing."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
