"""Where telemetry is taken in, and who may send it: whoever shows a token that is known; without any, programs of this machine."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from middlewatch.records.errors import BadInput, Misconfigured
from middlewatch.records.loopback import is_loopback
from middlewatch.records.tokens import is_known
from middlewatch.settings import Settings

_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Door:
    """Lets senders in."""

    digests: tuple[str, ...]

    def admits(self, authorization: str | None, host: str | None) -> bool:
        """Whether a request is let in.

        Args:
            authorization: the header of that name.
            host: where the sender believes to be; without tokens a page in a browser must not send by another name of this machine.
        """
        if not self.digests:
            return host is None or is_loopback(_name(host))
        if authorization is None or not authorization.lower().startswith(_BEARER):
            return False
        return is_known(authorization[len(_BEARER) :].strip(), self.digests)


def refuse_open_door(settings: Settings) -> None:
    """Off loopback there must be a token.

    Raises:
        Misconfigured: there is none.
    """
    if not settings.otlp_token_sha256 and not is_loopback(settings.otlp_host):
        raise Misconfigured(
            f"No telemetry is taken at {settings.otlp_host}: anybody could send some.",
            remedy="Set MIDDLEWATCH_OTLP_TOKEN_SHA256 to the digest of a token (docs/otlp.md), or listen on 127.0.0.1.",
        )


def otlp_hindrance(settings: Settings) -> str:
    """What stands in the way of taking telemetry in, in words; empty where nothing does."""
    try:
        refuse_open_door(settings)
        _look_at_ports(settings)
    except (BadInput, Misconfigured) as error:
        return f"No telemetry is taken in over OTLP: {error.message} {error.remedy}"
    return ""


def otlp_addresses(settings: Settings) -> tuple[str, str]:
    """Where it is taken in over HTTP, and over gRPC."""
    return f"http://{at(settings.otlp_host, settings.otlp_http_port)}", at(settings.otlp_host, settings.otlp_grpc_port)


def at(host: str, port: int) -> str:
    """An address with its port."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def port_taken(host: str, port: int, setting: str) -> BadInput:
    """The error for a port that cannot be had."""
    return BadInput(f"{at(host, port)} cannot be listened at.", remedy=f"Choose another port with {setting}.")


def _look_at_ports(settings: Settings) -> None:
    host = settings.otlp_host
    for port, name in (
        (settings.otlp_http_port, "MIDDLEWATCH_OTLP_HTTP_PORT"),
        (settings.otlp_grpc_port, "MIDDLEWATCH_OTLP_GRPC_PORT"),
    ):
        try:
            socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
        except OSError:
            raise port_taken(host, port, name) from None


def _name(host: str) -> str:
    """Without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host
