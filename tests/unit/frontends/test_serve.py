"""Whoever starts `serve` is told every address at which something answers."""

from __future__ import annotations

import pytest

from middlewatch.frontends.cli.serve import tell
from middlewatch.frontends.serving import Served

SERVED = Served(
    url="http://127.0.0.1:8321",
    sign_in=None,
    mcp="http://127.0.0.1:8321/mcp",
    slack=None,
    otlp="http://127.0.0.1:4318",
    otlp_grpc="127.0.0.1:4317",
    working=True,
    owner=True,
)


def test_every_address_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    tell(SERVED)
    told = capsys.readouterr().out
    assert "listening at http://127.0.0.1:8321 " in told
    assert "MCP at http://127.0.0.1:8321/mcp\n" in told
    assert "over OTLP: HTTP at http://127.0.0.1:4318, gRPC at 127.0.0.1:4317\n" in told


def test_what_is_left_out_is_not_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    tell(SERVED.model_copy(update={"otlp": None, "otlp_grpc": None, "mcp": None}))
    told = capsys.readouterr().out
    assert "OTLP" not in told
    assert "MCP" not in told
