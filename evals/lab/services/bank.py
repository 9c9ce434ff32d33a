"""The bank: somebody else's service. It exports nothing, and how it behaves is told by one file."""

from __future__ import annotations

import json
import random
import time
import uuid

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from middlewatch.evals.lab.run_folder import RunFolder

_TOLERANCE_SECONDS = 60.0
"""How old a signature may be, or how far in the future."""


class Bank:
    """The one instance."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        del version  # nobody knows it
        self._behaviour = folder.bank
        self._draw = random.Random()  # noqa: S311 -- nothing depends on its being hard to guess

    def close(self) -> None:
        """Nothing to close."""

    def routes(self) -> list[BaseRoute]:
        return [Route("/charges", self._charge, methods=["POST"])]

    def _charge(self, request: Request) -> Response:
        behaviour = json.loads(self._behaviour.read_text(encoding="utf-8"))
        time.sleep(behaviour["seconds"] * self._draw.uniform(0.7, 1.3))
        if time.time() > behaviour["credential_until"]:
            return JSONResponse({"error": "credential expired"}, status_code=401)
        if abs(time.time() - float(request.headers["X-Signed-At"])) > _TOLERANCE_SECONDS:
            return JSONResponse({"error": "signature is not of now"}, status_code=403)
        if self._draw.random() < behaviour["failing"]:
            return JSONResponse({"error": "try again later"}, status_code=503)
        return JSONResponse({"reference": f"ch-{uuid.uuid4().hex[:10]}"})
