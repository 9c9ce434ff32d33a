"""The JSON API beside the pages: `/api/v1`. docs/api.md is for those who use it."""

from __future__ import annotations

from fastapi import APIRouter

from middlewatch.frontends.web.api import (
    alerts,
    approvals,
    changes,
    controls,
    description,
    handling,
    investigations,
    models,
    nights,
    services,
    surroundings,
)

router = APIRouter(prefix="/api/v1")
for part in (investigations, handling, alerts, approvals, changes, controls, services, nights, models, surroundings, description):
    router.include_router(part.router)
