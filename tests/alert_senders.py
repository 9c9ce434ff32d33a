"""What each sender really sends, made up, and signed as it does; for tests and attacks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from middlewatch.frontends.alerts.sns import _SIGNED, Envelope, text_to_sign
from middlewatch.records import AlertMessage
from middlewatch.senders import Senders
from middlewatch.settings import Settings

TOKEN = "mwi_" + "t" * 43
SECRET, OLD_SECRET = "s" * 32, "o" * 32
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"
CERTIFICATE_URL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
BEARER = {"authorization": f"Bearer {TOKEN}"}
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)

INTAKE = f"""\
[senders.prometheus]
kind = "alertmanager"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
user = "alertmanager"

[senders.grafana]
kind = "grafana"
secret = "new"
timestamp_header = "X-Grafana-Alerting-Timestamp"

[senders.grafana-token]
kind = "grafana"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"

[senders.pagerduty]
kind = "pagerduty"
secret = ["new", "old"]

[senders.datadog]
kind = "datadog"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"

[senders.opsgenie]
kind = "opsgenie"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"

[senders.cloudwatch]
kind = "cloudwatch"
topics = ["{TOPIC}"]

[senders.own]
kind = "generic"
secret = "new"

[senders.own-token]
kind = "generic"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
"""


def write_intake(data: Path, text: str = INTAKE) -> None:
    """The file and its secrets."""
    (data / "intake.toml").write_text(text)
    folder = data / "intake-secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, secret in (("new", SECRET), ("old", OLD_SECRET)):
        (folder / name).write_text(f"{secret}\n")
        (folder / name).chmod(0o600)


def hmac_hex(signed: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def seconds(at: datetime | None = None) -> str:
    return str(int((at or datetime.now(UTC)).timestamp()))


def by_token(_body: bytes) -> dict[str, str]:
    return BEARER


def by_grafana(body: bytes, at: datetime | None = None, secret: str = SECRET) -> dict[str, str]:
    signature = hmac_hex(seconds(at).encode() + b":" + body, secret)
    return {"x-grafana-alerting-timestamp": seconds(at), "x-grafana-alerting-signature": signature}


def by_pagerduty(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"x-pagerduty-signature": f"v1={'0' * 64},v1={hmac_hex(body, secret)}"}


def by_own(body: bytes, at: datetime | None = None, secret: str = SECRET) -> dict[str, str]:
    return {
        "x-middlewatch-timestamp": seconds(at),
        "x-middlewatch-signature": f"v1={hmac_hex(seconds(at).encode() + b'.' + body, secret)}",
    }


def by_nobody(_body: bytes) -> dict[str, str]:
    return {}


class Inbox:
    """Stands in for an application: keeps what was received."""

    def __init__(self, data: Path) -> None:
        self.settings = Settings(data_dir=data)
        self.senders = Senders(self.settings)
        self.occurrences = self
        self.got: list[AlertMessage] = []

    def receive(self, messages: list[AlertMessage]) -> tuple[Any, ...]:
        self.got += messages
        return ()


@dataclass(frozen=True)
class Sns:
    """An SNS with a certificate of its own, and what was fetched from it."""

    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    fetched: list[str] = field(default_factory=list)
    ends: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(days=30))

    def get(self, url: str) -> bytes:
        self.fetched.append(url)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        made = x509.CertificateBuilder(name, name, self.key.public_key(), x509.random_serial_number())
        made = made.not_valid_before(self.ends - timedelta(days=60)).not_valid_after(self.ends)
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def wrap(self, message: str, version: str = "2", **other: Any) -> bytes:
        """A signed message."""
        fields: dict[str, Any] = {
            "Type": "Notification",
            "MessageId": "m-1",
            "TopicArn": TOPIC,
            "Subject": "ALARM",
            "Message": message,
            "Timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "SignatureVersion": version,
            "Signature": "",
            "SigningCertURL": CERTIFICATE_URL,
        } | other
        envelope = Envelope.model_validate({**fields, "Signature": ""})
        algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()  # noqa: S303  as SNS does
        signed = text_to_sign(envelope, _SIGNED[envelope.Type]).encode("utf-8", "surrogatepass")
        fields["Signature"] = fields["Signature"] or base64.b64encode(self.key.sign(signed, padding.PKCS1v15(), algorithm)).decode()
        return json.dumps(fields).encode()


@dataclass(frozen=True)
class Sender:
    """One of `INTAKE`, with a message that fires and how it shows who it is."""

    name: str
    fires: Mapping[str, Any]
    shows: Callable[[bytes], dict[str, str]]

    @property
    def body(self) -> bytes:
        return json.dumps(self.fires).encode()


def alertmanager(status: str = "firing", **other: Any) -> dict[str, Any]:
    """A group of one alert."""
    return {
        "version": "4",
        "groupKey": '{}:{alertname="HighErrors"}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "middlewatch",
        "groupLabels": {"alertname": "HighErrors"},
        "commonLabels": {"alertname": "HighErrors", "service": "checkout"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": [
            {
                "status": status,
                "labels": {"alertname": "HighErrors", "service": "checkout", "severity": "critical"},
                "annotations": {"summary": "checkout fails"},
                "startsAt": "2026-03-01T12:00:00.123456789Z",
                "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2026-03-01T12:05:00Z",
                "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
                "fingerprint": "dd19a0e1d1ecf0ce",
            }
        ],
    } | other


def pagerduty(event: str = "incident.triggered", status: str = "triggered", **data: Any) -> dict[str, Any]:
    """An event."""
    return {
        "event": {
            "id": "01BZ5K0000",
            "event_type": event,
            "resource_type": "incident",
            "occurred_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "agent": None,
            "client": None,
            "data": {
                "id": "PGR0VU2",
                "type": "incident",
                "self": "https://api.pagerduty.com/incidents/PGR0VU2",
                "html_url": "https://acme.pagerduty.com/incidents/PGR0VU2",
                "number": 2,
                "status": status,
                "incident_key": "d3640fbd41094207a1c11e58e46b1662",
                "created_at": "2026-03-01T12:00:00Z",
                "title": "checkout fails",
                "service": {"id": "PF9KMXH", "summary": "checkout", "type": "service_reference"},
                "priority": {"id": "P1", "summary": "P1"},
                "urgency": "high",
                "teams": [{"id": "T1", "summary": "payments"}],
            }
            | data,
        }
    }


def datadog(transition: str = "Triggered", **other: Any) -> dict[str, Any]:
    """Our template, filled in."""
    return {
        "alert_id": "1234",
        "transition": transition,
        "title": "[P1] [Triggered] checkout fails",
        "scope": "service:checkout,env:prod",
        "tags": "env:prod,monitor,service:checkout",
        "priority": "P1",
        "type": "error",
        "metric": "trace.http.request.errors",
        "link": "https://app.datadoghq.eu/monitors/1234",
        "date": "1772366400000",
    } | other


def opsgenie(action: str = "Create", **other: Any) -> dict[str, Any]:
    """What its webhook integration posts."""
    return {
        "action": action,
        "integrationName": "middlewatch",
        "source": {"name": "", "type": "API"},
        "alert": {
            "alertId": "052652ac-5d1c-464a-812a-7dd18bbfba8c",
            "alias": "checkout-errors",
            "message": "checkout fails",
            "tags": ["team:payments", "prod"],
            "entity": "checkout",
            "createdAt": 1772366400000,
            "updatedAt": 1772366700000000000,
            "priority": "P1",
            "description": "errors rise",
            "details": {"service": "checkout"},
        }
        | other,
    }


def alarm(state: str = "ALARM", **other: Any) -> dict[str, Any]:
    """What CloudWatch publishes."""
    return {
        "AlarmName": "checkout-errors",
        "AlarmDescription": "errors rise",
        "AWSAccountId": "123456789012",
        "NewStateValue": state,
        "NewStateReason": "Threshold Crossed",
        "StateChangeTime": "2026-03-01T12:00:00.236+0000",
        "Region": "EU (Frankfurt)",
        "AlarmArn": "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:checkout-errors",
        "OldStateValue": "OK",
        "Trigger": {
            "MetricName": "5XXError",
            "Namespace": "AWS/ApiGateway",
            "Dimensions": [{"name": "service", "value": "checkout"}],
        },
    } | other


def own(status: str = "firing", **other: Any) -> dict[str, Any]:
    """Our own schema."""
    return {
        "title": "checkout fails",
        "status": status,
        "fingerprint": "checkout-errors",
        "labels": {"service": "checkout"},
        "severity": "critical",
        "started_at": "2026-03-01T12:00:00Z",
    } | other


SENDERS = (
    Sender("prometheus", alertmanager(), by_token),
    Sender("grafana", alertmanager(), by_grafana),
    Sender("grafana-token", alertmanager(), by_token),
    Sender("pagerduty", pagerduty(), by_pagerduty),
    Sender("datadog", datadog(), by_token),
    Sender("opsgenie", opsgenie(), by_token),
    Sender("own", own(), by_own),
    Sender("own-token", own(), by_token),
)
"""All but CloudWatch: see `Sns`."""
