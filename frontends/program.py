"""How this program was started: what the commands begin with that it tells a reader to run."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from middlewatch.records.errors import Misconfigured
from middlewatch.settings import Settings

_NAME = "middlewatch"
_COMMAND = re.compile(rf"(?:(?<=: )|(?<=`)){_NAME} (?=[a-z])")


def program(*, from_anywhere: bool = False, data_dir: Path | None = None) -> tuple[str, ...]:
    """The words of a shell that start this program on the same data.

    Args:
        from_anywhere: from whichever folder of this machine; otherwise from the one that it was started in, which is shorter.
        data_dir: other data than this program's own.
    """
    settings = Settings.load()
    near: Callable[[Path], Path] = Path.absolute if from_anywhere else _near
    default = data_dir is None and settings.uses_default_data_dir
    place = () if default else (f"MIDDLEWATCH_DATA_DIR={shlex.quote(str(near(data_dir or settings.data_dir)))}",)
    return (*place, _started_as(near))


def pasteable(remedy: str) -> str:
    """A remedy whose commands, behind a colon or in backticks, start this program on the same data."""
    if not _COMMAND.search(remedy):
        return remedy
    try:
        here = " ".join(program())
    except Misconfigured:  # the settings may be what is to be mended
        return remedy
    return _COMMAND.sub(lambda _: f"{here} ", remedy)


def _started_as(near: Callable[[Path], Path]) -> str:
    """Its name where a shell finds it by that, and otherwise its path."""
    started = Path(sys.argv[0])
    found = shutil.which(_NAME)
    if started.name != _NAME or not started.exists() or (found and started.samefile(found)):
        return _NAME
    path = near(started.absolute())
    return shlex.quote(str(path) if len(path.parts) > 1 else f"./{path}")


def _near(path: Path) -> Path:
    """A path that is short where it can be: relative to the working folder if it is below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) and path != here else path
