"""What the command line exits with, and what each code means. docs/configuration.md has the same table, word for word."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

FAILED: Final = 1
INCONCLUSIVE: Final = 3
"""Of an investigation, so that a script can tell it from a finding and from a failure."""
UNKNOWN: Final = 4
INPUT_OUTPUT: Final = 74
"""What the operating system refused, where nothing better is known (EX_IOERR of sysexits.h)."""
INTERRUPTED: Final = 130
"""128 + SIGINT, as shells have it."""

MEANINGS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "done; of an investigation: a finding",
        FAILED: "it failed, was cancelled, or something is broken: the message says",
        2: "the command line is wrong",
        INCONCLUSIVE: 'no finding: the honest "I don\'t know"',
        UNKNOWN: "nobody can tell what became of it, or the audit log is not as signed",
        65: "what was given cannot be used, or is not there",
        69: "something that is needed does not answer; try again",
        INPUT_OUTPUT: "the operating system refused: no space, no permission, no such place",
        75: "a bound was hit, something is full, or others were first; try again",
        77: "refused: policy, or a guard, does not let it through",
        78: "a setting, a configuration file or a program is missing or wrong",
        INTERRUPTED: "ended by Ctrl-C or SIGTERM",
    }
)
"""Of every code. Those that are no constants here are click's and `records.errors`'."""

EPILOG: Final = "\n".join(("\b", "Exit codes:", *(f"  {code:<3d}  {meaning}" for code, meaning in MEANINGS.items())))
"""For the help."""
