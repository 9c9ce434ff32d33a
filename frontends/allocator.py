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
_TRIM_THRESHOLD = -1  # malloc.h: M_TRIM_THRESHOLD


def hold_together(large_bytes: int = LARGE_BYTES) -> bool:
    """Bound what the threads of this process keep; call it before there are any.

    Args:
        large_bytes: for a process that needs pieces of this size again and again. To have each from the system anew costs more than
            what is done with it; it keeps some of them instead, and so much at the end of its memory.

    Returns:
        Whether the C library can: glibc does, others are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # no such library, as on Windows, or no such function, as on macOS and in musl
        return False
    return all(mallopt(*each) for each in ((_ARENA_MAX, ARENAS), (_MMAP_THRESHOLD, large_bytes), (_TRIM_THRESHOLD, large_bytes)))
