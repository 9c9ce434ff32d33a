"""Invariants: a server's threads share two heaps, and what is large is given back; `serve` sees to it first."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from middlewatch.frontends import allocator
from middlewatch.frontends.cli.serve import serve

THREADS = """
import ctypes, sys, threading
from middlewatch.frontends.allocator import hold_together
held = sys.argv[1] != "hold" or hold_together()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
libc.free(libc.malloc(4 * 2**20))  # from now on glibc by itself takes 1 MiB for a small piece
large = libc.malloc(2**20)
all_there = threading.Barrier(6)
def run():
    libc.malloc(1000)
    all_there.wait()
threads = [threading.Thread(target=run) for _ in range(6)]
[one.start() for one in threads]
[one.join() for one in threads]
print(held, flush=True)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def shape(how: str) -> tuple[bool, int, int]:
    """(whether it was done, heaps, large pieces outside of them) in a process with six threads at once."""
    told = subprocess.run([sys.executable, "-c", THREADS, how], capture_output=True, text=True, timeout=60, check=True).stdout
    mapped = re.findall(r'<total type="mmap" count="(\d+)"', told)
    return told.startswith("True"), told.count("<heap nr="), int(mapped[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_threads_share_two_heaps_and_what_is_large_is_in_none() -> None:
    held, heaps, large = shape("hold")
    if not held:
        pytest.skip("another C library")
    _, more_heaps, fewer_large = shape("leave")
    assert heaps <= allocator.ARENAS < more_heaps
    assert large == fewer_large + 1


def test_serve_begins_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def begun() -> bool:
        raise InterruptedError

    monkeypatch.setattr(allocator, "hold_together", begun)
    assert isinstance(CliRunner().invoke(serve, ["--port", "0"]).exception, InterruptedError)


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _name: object())
    assert not allocator.hold_together()
