"""An OpenID provider on this machine, strict about what it is sent; it can lie as well."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

CLIENT_ID = "middlewatch-test"
CLIENT_SECRET = "a secret of the client"  # noqa: S105  of a test

Claims = dict[str, Any]


@dataclass
class Provider:
    """The provider, and what it is to say."""

    issuer: str = ""
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "one", "use": "sig"}, auto_kid=False))
    subject: str = "olga"
    answers: bool = True
    change_claims: Callable[[Claims], object] = lambda _claims: None
    sign: Callable[[Provider, Claims], str | None] | None = None
    """In place of a signature with the key that it publishes; None leaves the token out."""
    change_metadata: Callable[[Claims], object] = lambda _metadata: None
    codes_shown: list[str] = field(default_factory=list)
    """So far, for tokens."""
    _codes: dict[str, Claims] = field(default_factory=dict)

    def authorize(self, query: Claims) -> str:
        """Where the browser is sent back to."""
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        assert query["state"]
        assert query["nonce"]
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return str(query["redirect_uri"]) + "?" + urlencode({"code": code, "state": query["state"]})

    def token(self, form: Claims, authorization: str) -> tuple[int, Claims]:
        """A code for a token."""
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        self.codes_shown.append(form.get("code", ""))
        asked = self._codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if authorization != f"Basic {expected}":
            return 401, {"error": "invalid_client"}
        if asked is None or asked["redirect_uri"] != form["redirect_uri"] or asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
        }
        self.change_claims(claims)
        signed = self.sign(self, claims) if self.sign else signed_with(self.key, claims)
        return 200, {"access_token": "an access token", "token_type": "Bearer"} | ({"id_token": signed} if signed else {})

    def metadata(self) -> Claims:
        found: Claims = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
        }
        self.change_metadata(found)
        return found

    def keys(self) -> Claims:
        return dict(KeySet([self.key]).as_dict(private=False))


def signed_with(key: Any, claims: Claims, **header: Any) -> str:
    """A token, signed."""
    head = {"alg": "ES256", "kid": key.kid} | header
    return str(jwt.encode(head, claims, key, algorithms=[head["alg"]]))


@contextmanager
def open_provider() -> Iterator[Provider]:
    """One that listens."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if not provider.answers:
                self._say(500, {})
            elif url.path == "/.well-known/openid-configuration":
                self._say(200, provider.metadata())
            elif url.path == "/keys":
                self._say(200, provider.keys())
            elif url.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize({name: one[0] for name, one in parse_qs(url.query).items()}))
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._say(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: one[0] for name, one in parse_qs(body).items()}
            self._say(*provider.token(form, self.headers.get("Authorization", "")))

        def _say(self, status: int, body: Claims) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
