"""Invariants of a call: it goes where the configuration says, once, within its time, and shows nobody the credential."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from middlewatch.records import Result
from middlewatch.records.errors import Misconfigured, Unavailable
from middlewatch.tools.actions import wire
from middlewatch.tools.actions.action import Step
from middlewatch.tools.actions.wire import Reply, Wire, bearer
from tests.contract.actions.benches import BENCHES, TARGET
from tests.contract.actions.loopback import Answer, OtherEnd, Request, served

SECRET = "hunter2-of-the-tests"  # noqa: S105  of the tests


class Anything(OtherEnd):
    def __init__(self) -> None:
        super().__init__()
        self.answer = Answer(200, {})

    def writes(self, method: str, path: str) -> bool:
        del path
        return method != "GET"

    def handle(self, request: Request) -> Answer:
        del request
        return self.answer


@pytest.fixture
def end() -> Anything:
    return Anything()


@pytest.fixture
def url(end: Anything) -> Iterator[str]:
    with served(end) as where:
        yield where


def connected(url: str, **more: Path) -> Wire:
    return Wire(url, seconds=20.0, signer=bearer(lambda: SECRET, {}), secret=lambda: SECRET, **more)


def post(url: str, path: str = "/x") -> Step:
    return Step("POST", url, path, {"b": 1, "a": "é"})


def test_a_body_is_sent_as_it_is_shown(end: Anything, url: str) -> None:
    assert connected(url).call(post(url)).result is Result.DONE
    (request,) = end.requests
    assert request.body == b'{"a":"\\u00e9","b":1}'
    assert str(post(url)).endswith(request.body.decode())
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["connection"] == "close"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(end: Anything, url: str, status: int) -> None:
    end.answer = Answer(status, None, {"Location": f"{url}/elsewhere"})
    reply = connected(url).call(post(url))
    assert (reply.result, len(end.requests)) == (Result.NOT_DONE, 1)


def test_no_proxy_and_no_password_of_the_environment_takes_part(
    end: Anything, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert connected(url).call(post(url)).result is Result.DONE
    assert end.requests[0].headers["authorization"] == f"Bearer {SECRET}"


def test_an_endless_answer_is_given_up(end: Anything, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LARGEST_ANSWER", 10_000)
    end.answer = Answer(200, {"x": "y" * 20_000})
    assert connected(url).call(post(url)).result is Result.UNKNOWN


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"])
def test_an_answer_that_comes_byte_by_byte_is_given_up(start: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(4096)
                connection.sendall(start)
                while True:  # until it hangs up
                    connection.sendall(b"x")
                    time.sleep(0.01)

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        patient = Wire(url, seconds=0.5, signer=bearer(lambda: SECRET, {}))
        assert patient.call(post(url)).result is Result.UNKNOWN
        thread.join()


@pytest.mark.parametrize("body", [{"message": f"bad token {SECRET}"}, {"error": SECRET}])
def test_the_credential_is_not_shown_even_where_the_other_end_repeats_it(end: Anything, url: str, body: object) -> None:
    end.answer = Answer(403, body)
    reply = connected(url).call(post(url))
    assert "***" in reply.detail
    assert SECRET not in reply.detail


def test_no_log_of_whoever_embeds_us_shows_the_address(end: Anything, url: str, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("httpx").filters.clear()
    for logger in (None, "httpx"):
        caplog.set_level(logging.DEBUG, logger)
        assert connected(f"{url}/hook/{SECRET}").call(post(url, f"/run?token={SECRET}")).result is Result.DONE
    assert len(end.requests) == 2
    assert SECRET not in caplog.text
    logging.getLogger("httpx").warning("of a kind that should be seen")
    assert "should be seen" in caplog.text


def test_a_hostile_message_is_a_quotation_on_one_line(end: Anything, url: str) -> None:
    end.answer = Answer(409, {"message": 'no"\n\x1b[2J APPROVED by root \u202e'})
    detail = connected(url).call(post(url)).detail
    assert detail.isprintable()
    assert detail.count('"') == 2


def test_certificates_that_cannot_be_read_are_the_configurations_mistake(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for ca in (tmp_path / "ca.pem", tmp_path / "absent.pem"):
        with pytest.raises(Misconfigured, match="certificates"):
            connected("https://127.0.0.1:9", ca=ca).call(post("https://127.0.0.1:9"))


def test_a_missing_credential_is_not_done_and_says_what_to_do(tmp_path: Path) -> None:
    with BENCHES["kubernetes"](tmp_path, 20.0) as bench:
        order = bench.order(bench.cases[0])
        (tmp_path / "credentials" / "key").unlink()
        result = bench.actions.run(order)
        assert (result.result, "cannot be read" in result.detail) == (Result.NOT_DONE, True)
        assert bench.actions.probe(order).result is Result.UNKNOWN
        with pytest.raises(Misconfigured):
            bench.actions.inspect(bench.cases[0][0], TARGET, bench.cases[0][1])


def test_a_deep_or_unfit_answer_is_no_answer(end: Anything, url: str) -> None:
    class Named(wire.Answered):
        name: str

    bodies: tuple[object, ...] = ([], {"name": 1}, {"other": "x"}, None)
    for body in bodies:
        end.answer = Answer(200, body)
        with pytest.raises(Unavailable):
            connected(url).call(post(url)).read(Named)
    assert Reply(Result.DONE, body={"name": "x", "other": 1}).read(Named).name == "x"


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """One that signs itself, for this machine."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "middlewatch tests")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return folder / "ca.pem", context


def test_only_a_server_with_a_known_certificate_gets_the_credential(end: Anything, tmp_path: Path) -> None:
    ca, context = certificate(tmp_path)
    with served(end, tls=context) as where:
        refused = connected(where).call(post(where))
        assert (refused.result, end.requests) == (Result.NOT_DONE, [])
        by_name = where.replace("127.0.0.1", "localhost")
        assert connected(by_name, ca=ca).call(post(by_name)).result is Result.NOT_DONE, "the certificate is for another name"
        assert connected(where, ca=ca).call(post(where)).result is Result.DONE
    assert len(end.requests) == 1
