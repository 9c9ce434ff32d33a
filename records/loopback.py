"""Whether only this machine can reach a place."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Of an address or a name; the address of a URL may stand in its brackets."""
    try:
        return ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
