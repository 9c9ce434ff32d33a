"""What the services are given by others: a bank, and small disks."""

from __future__ import annotations

from collections.abc import Mapping

BANK = "bank"
"""Somebody else's service, which payment calls."""

BANK_WELL: Mapping[str, float] = {"seconds": 0.01, "failing": 0.0, "credential_until": 4_102_444_800.0}
"""How the bank behaves usually: the time that a charge takes, the share that fails, and until when (in seconds since the epoch) the
shop's credential is valid."""

VOLUME_BYTES = 64 * 1024 * 1024
"""How large the file on a service's small disk may become. More than any other file that its process writes in a recording."""
VOLUME_USED_BYTES = 8 * 1024 * 1024
"""How large it is when the shop opens; it is sparse."""
WITH_VOLUME = ("payment", "notifications")
"""Services with a small disk of their own."""
