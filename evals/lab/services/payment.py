"""The payment: charges cards at a bank that belongs to somebody else, and writes every charge down twice."""

from __future__ import annotations

import hashlib
import logging
import time
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.client import ServiceClient
from middlewatch.evals.lab.services.database import Pool, Queries
from middlewatch.evals.lab.services.server import route
from middlewatch.evals.lab.services.settings import WatchedSettings
from middlewatch.evals.lab.services.volume import Volume
from middlewatch.evals.lab.versions import release

_INSERT = "INSERT INTO charges (customer, cents, reference) VALUES (?, ?, ?)"
_BRANDS = {0: "maple", 1: "harbour"}
"""The brand of a card by its customer's group; the table of the release with the fault lacks two groups of four."""
_BRAND_GROUPS = 4
_CHECK_ROUNDS = 400_000
"""Of the release that checks for fraud: about a third of a second of a processor for each charge."""

_logger = logging.getLogger(__name__)


class Payment:
    """One instance of the service."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        self._release = release(version)
        self._settings = WatchedSettings(folder.settings("payment"))
        self._services = ServiceClient(folder, timeout_seconds=lambda: self._settings["bank_timeout_ms"] / 1000)
        self._pool = Pool(folder.orders_database, size=5, wait_seconds=1.0)
        self._queries = Queries()
        self._clock = MachineClock(folder.clock("payment"))
        self._receipts = Volume(folder.volume("payment"))

    def close(self) -> None:
        self._services.close()
        self._pool.close()

    def routes(self) -> list[BaseRoute]:
        return [route("/charges", self._charge, method="POST")]

    def _charge(self, request: Request) -> Response:
        customer, cents = int(request.query_params["customer"]), int(request.query_params["cents"])
        if self._release == "6.2":
            _logger.info("card of customer %d is a %s", customer, _BRANDS[customer % _BRAND_GROUPS])
        if self._release == "6.3":
            _check(f"{customer}:{cents}")
        signed = {"X-Signed-At": str(int(self._clock.now()))}
        reference = self._services.call("POST", "bank", "/charges", query={"cents": cents}, headers=signed)["reference"]
        self._receipts.append(f"{reference} {customer} {cents}")
        with self._pool.connection() as connection:
            self._queries.run(connection, _INSERT, (customer, cents, reference), table="charges")
        _logger.info("charged customer %d: %d cents, %s", customer, cents, reference)
        return JSONResponse({"reference": reference})


class MachineClock:
    """The clock of the machine that the service runs on, which may be wrong.

    A recorder may not set a real one, so a file says by how much; what the process says of its own spans and log lines is told by
    the recorder's clock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> float:
        """Seconds since the epoch, as the machine has them."""
        wrong = float(self._path.read_text(encoding="ascii")) if self._path.exists() else 0.0
        return time.time() + wrong


def _check(charge: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", charge.encode(), b"shop", _CHECK_ROUNDS).hex()
