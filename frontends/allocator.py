"""The C library's memory, held together for a process that answers many at once from many threads.

By itself glibc gives threads memory of their own, in up to eight places for each processor, and takes ever larger pieces out of it
once it saw one let go of. What is free then lies in holes that the next request does not fit into, and the process grows, however
little it uses. docs/measurements/web.md has the figures.
"""

from __future__ import annotations

import ctypes

ARENAS = 2
"""For all threads together: Python's lock lets one run at a time, so they seldom wait for each other. Chosen, not derived."""
LARGE_BYTES = 128 * 1024
"""A piece as large as this is the system's again as soon as it is free. It is where glibc itself begins; now it stays there."""
_ARENA_MAX = -8  # malloc.h: M_ARENA_MAX
_MMAP_THRESHOLD = -3  # malloc.h: M_MMAP_THRESHOLD


def hold_together() -> bool:
    """Bound what the threads of this process keep; call it before there are any.

    Returns:
        Whether the C library can: glibc does, others are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # no such library, as on Windows, or no such function, as on macOS and in musl
        return False
    return bool(mallopt(_ARENA_MAX, ARENAS)) and bool(mallopt(_MMAP_THRESHOLD, LARGE_BYTES))
