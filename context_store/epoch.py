"""The epoch: the half of every fencing token that Redis cannot lose.

A Redis that fails over, or is restored from a backup, hands the same counters out again. The epoch therefore lives in a file
of the operator, outside Redis, and is raised on promotion and on restore: tokens compare by epoch first. Raising it voids
every lease, and a process that still runs at the older epoch is refused by every script.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from middlewatch.context_store import durable_file
from middlewatch.records.errors import Misconfigured

FIRST = 1
LARGEST = 2**31
"""Far beyond any number of failovers, and exact in Lua's numbers."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """The epoch that a process was started at. A process does not change its epoch; it is restarted."""

    number: int = FIRST

    def __post_init__(self) -> None:
        if not 0 <= self.number <= LARGEST:
            raise Misconfigured(f"The epoch must be between 0 and {LARGEST}, and is {self.number}.")

    @classmethod
    def read(cls, path: Path) -> Epoch:
        """Read the operator's file; it is made, at the first epoch, where there is none.

        Raises:
            Misconfigured: when the file holds anything but one whole number, or cannot be read or made.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return _write(path, cls())
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"The epoch file {path} cannot be read: {error}.") from None
        try:
            return cls(int(text))
        except ValueError:
            raise Misconfigured(
                f"The epoch file {path} must hold one whole number.", remedy="Write a number higher than any epoch used before."
            ) from None

    @classmethod
    def raised(cls, path: Path, *, above: int = 0) -> Epoch:
        """Raise the epoch in the operator's file and return it; durable when this returns.

        Args:
            path: the operator's file.
            above: an epoch that is known to have been used; the new one is higher than it, and than the file's.

        Raises:
            Misconfigured: as `read`.
        """
        return _write(path, cls(max(cls.read(path).number, above) + 1))


def _write(path: Path, epoch: Epoch) -> Epoch:
    try:
        durable_file.write(path, f"{epoch.number}\n".encode())
    except OSError as error:
        raise Misconfigured(f"The epoch file {path} cannot be written: {error}.") from None
    return epoch
