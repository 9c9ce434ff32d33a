"""Style sheets, scripts and pictures: read once, under addresses that change with what they hold."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

router = APIRouter(include_in_schema=False)

FOREVER = "public, max-age=31536000, immutable"
"""For an address that names the content: another content has another address."""
_VERSION_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    content: bytes
    packed: bytes
    """The same, gzip."""
    kind: str
    version: str


@cache
def assets() -> dict[str, Asset]:
    """Every file below `static`, by its path there."""
    return dict(_read(resources.files("middlewatch.frontends.web").joinpath("static"), ""))


def address(path: str) -> str:
    """Where a page finds a file.

    Raises:
        KeyError: there is none; a mistake in a template.
    """
    return f"/static/{path}?v={assets()[path].version}"


@router.api_route("/static/{path:path}", methods=["GET", "HEAD"])
def static_file(request: Request, path: str, v: str = "") -> Response:
    """One file."""
    asset = assets().get(path)
    if asset is None:
        return PlainTextResponse("There is no such file.", status_code=404)
    headers = {
        "Cache-Control": FOREVER if v == asset.version else "no-cache",
        "ETag": f'"{asset.version}"',
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", "") and len(asset.packed) < len(asset.content):
        return Response(asset.packed, media_type=asset.kind, headers=headers | {"Content-Encoding": "gzip"})
    return Response(asset.content, media_type=asset.kind, headers=headers)


def _read(folder: Traversable, prefix: str) -> list[tuple[str, Asset]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _read(entry, f"{prefix}{entry.name}/")
        else:
            content = entry.read_bytes()
            kind = mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
            version = hashlib.sha256(content).hexdigest()[:_VERSION_CHARACTERS]
            found.append((prefix + entry.name, Asset(content, gzip.compress(content, mtime=0), kind, version)))
    return found
