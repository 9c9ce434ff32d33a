"""The catalogue of actions for front ends: write a first configuration, check one, list what can be done."""

from __future__ import annotations

import stat
from pathlib import Path

from pydantic import Field

from middlewatch.records import ActionSpec, Record
from middlewatch.settings import Settings
from middlewatch.team_files import present, write_first
from middlewatch.tools.actions.catalogue import ActionCatalogue
from middlewatch.tools.actions.configuration import Configuration
from middlewatch.tools.actions.example import EXAMPLE


class Examined(Record):
    """A configuration without a mistake."""

    file: str
    targets: dict[str, tuple[str, ...]] = Field(description="the actions that each target offers, least dangerous first")
    runbooks: tuple[str, ...]
    credentials_missing: tuple[str, ...] = Field(description="files that the executor will look for and that are not there")
    credentials_open_files: tuple[str, ...] = Field(
        default=(), description="files that the executor refuses, since others can read them or they are links"
    )
    credentials_folder: str
    credentials_open: bool = Field(description="whether others can read the folder, so that the executor refuses it")


def init_actions(settings: Settings, *, force: bool) -> Path:
    """Write a first configuration, and make the folder for credentials.

    Raises:
        BadInput: there is a file already.
    """
    path = write_first(settings.actions_path, EXAMPLE, force=force)
    settings.credentials_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def examine_actions(settings: Settings, file: Path | None = None) -> Examined:
    """Check a configuration. No credential is opened.

    Raises:
        BadInput: there is no file of that name.
        Misconfigured: none is in force, or it has a mistake; the message names the line.
    """
    path = present(file, settings.actions_path, "actions")
    configuration = Configuration.of(path)
    folder = settings.credentials_path
    wanted = {
        name
        for kind in (configuration.kubernetes, configuration.argocd, configuration.webhook, configuration.github)
        for connection in kind.values()
        for name in (getattr(connection, "token", None), getattr(connection, "secret", None))
        if name
    }
    modes = {name: _mode(folder / name) for name in sorted(wanted)}
    return Examined(
        file=str(path),
        targets={target: configuration.offers(target) for target in configuration.targets},
        runbooks=tuple(configuration.runbooks),
        credentials_missing=tuple(name for name, mode in modes.items() if mode is None),
        credentials_open_files=tuple(name for name, mode in modes.items() if mode is not None and mode & 0o077),
        credentials_folder=str(folder),
        credentials_open=bool((_mode(folder) or 0) & 0o077),
    )


def _mode(path: Path) -> int | None:
    """Who may do what with it; None where it is not there. What only the executor's user can look at counts as private."""
    try:
        return stat.S_IMODE(path.lstat().st_mode)
    except FileNotFoundError:
        return None
    except OSError:
        return 0


def catalogue(settings: Settings) -> tuple[ActionSpec, ...]:
    """Every entry there is; with the runbooks of the configuration, where there is one."""
    path = settings.actions_path
    configuration = Configuration.of(path) if path.exists() else Configuration()
    return tuple(action.spec for action in ActionCatalogue.of(configuration).actions.values())
