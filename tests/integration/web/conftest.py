"""The real store, and one site a module over it."""

from __future__ import annotations

from tests.web_fixtures import redis, site

__all__ = ["redis", "site"]
