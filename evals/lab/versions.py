"""What a version of a service says; apart from `changes`, so that a service starts without all that the lab records."""

from __future__ import annotations


def release(version: str) -> str:
    """The part of a version that says what it does: its patches do the same."""
    return version.rpartition(".")[0]
