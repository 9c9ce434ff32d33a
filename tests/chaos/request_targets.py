"""What there is to attack: every route of a site, and an honest body for each request of the API."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from middlewatch.frontends.web.api.description import EXAMPLES, description
from tests.chaos.request_fuzz import Target


def target_of(site: FastAPI, ids: Sequence[str]) -> Target:
    """Of a site with these investigations, requests and facts."""
    routes = [(method, str(one.path)) for one in iter_route_contexts(site.routes) for method in one.methods or {"GET", "POST"}]
    bodies = []
    for path, found in description()["paths"].items():
        body = found.get("post", {}).get("requestBody")
        if body is not None:
            name = body["content"]["application/json"]["schema"].get("$ref", "").rpartition("/")[2]
            bodies.append((path, EXAMPLES.get(name, {"investigation": ids[0]})))
    return Target(routes=sorted(routes), ids=ids, bodies=bodies)
