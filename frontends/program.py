"""How this program was started: what the commands begin with that it tells a reader to run."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

from middlewatch.records.errors import Misconfigured
from middlewatch.settings import Settings

_NAME = "middlewatch"
_COMMAND = re.compile(rf"(?:(?<=: )|(?<=`)){_NAME} (?=[a-z])")


def program() -> tuple[str, ...]:
    """The words of a shell that start this program on the same data, from the folder that it was started in."""
    settings = Settings.load()
    place = () if settings.uses_default_data_dir else (f"MIDDLEWATCH_DATA_DIR={shlex.quote(str(_near(settings.data_dir)))}",)
    return (*place, _started_as())


def pasteable(remedy: str) -> str:
    """A remedy whose commands, behind a colon or in backticks, start this program on the same data."""
    if not _COMMAND.search(remedy):
        return remedy
    try:
        here = " ".join(program())
    except Misconfigured:  # the settings may be what is to be mended
        return remedy
    return _COMMAND.sub(lambda _: f"{here} ", remedy)


def _started_as() -> str:
    """Its name where a shell finds it by that, and otherwise its path."""
    started = Path(sys.argv[0])
    found = shutil.which(_NAME)
    if started.name != _NAME or not started.exists() or (found and started.samefile(found)):
        return _NAME
    near = _near(started.absolute())
    return shlex.quote(str(near) if len(near.parts) > 1 else f"./{near}")


def _near(path: Path) -> Path:
    """A path that is short where it can be: relative to the working folder if it is below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) and path != here else path
