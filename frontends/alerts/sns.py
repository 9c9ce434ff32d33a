"""What Amazon SNS signs: the message, the certificate that it is signed with, and where that may come from.

By AWS's rules (Amazon SNS developer guide, "Verifying the signatures of Amazon SNS messages"): what is signed is text of
named fields, the certificate comes by https from the region's own host, and the signature is RSA with SHA-1 (version 1) or SHA-256
(version 2).
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from middlewatch.frontends.intake.delivery import Moment, Payload
from middlewatch.records.errors import BadInput, Unavailable

LOG = logging.getLogger(__name__)

REPLAY: Final = timedelta(hours=1, minutes=5)
"""How old a signed message may be: SNS tries to deliver for up to an hour with its usual policy, and clocks differ a little."""
SECONDS: Final = 5.0
"""For a certificate or a confirmation; SNS waits 15 s for our answer."""
LARGEST: Final = 64 * 1024
"""Bytes of an answer; a certificate has two thousand."""
REMEMBERED: Final = 16
"""Certificates that are kept; a region has one at a time, and a new one about once a year."""
FAILED: Final = timedelta(minutes=1)
"""How long nothing is fetched from an address that gave no certificate. Chosen: SNS repeats over an hour."""
MOST_FAILED: Final = 256
"""Such addresses that are remembered; whoever knows a topic can name any number."""
_ARN: Final = re.compile(r"arn:(aws|aws-cn|aws-us-gov):sns:([a-z0-9-]{3,32}):[0-9]{12}:[A-Za-z0-9_.-]{1,256}")
_CERTIFICATE: Final = re.compile(r"/SimpleNotificationService-[0-9a-zA-Z]{8,128}\.pem")
_HASHES: Final = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303  the sender's version 1; a topic can be set to 2
_SIGNED: Final = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}

Get = Callable[[str], bytes]


class Envelope(Payload):
    """What SNS wraps around a message. The texts are as they came: they are signed."""

    Type: str
    MessageId: str = ""
    TopicArn: str
    Subject: str | None = None
    Message: str
    Timestamp: str
    SignatureVersion: str
    Signature: str
    SigningCertURL: str
    SubscribeURL: str = ""
    Token: str = ""


class Stamp(Payload):
    """The time of one."""

    at: Moment


def fetched(url: str) -> bytes:
    """What is at an address of SNS. No redirect is followed, and nothing of the environment takes part.

    Raises:
        Unavailable: nothing that could be used came in time.
    """
    try:
        with httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=False) as client, client.stream("GET", url) as answer:
            content = bytearray()
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > LARGEST:
                    break
            if answer.status_code == httpx.codes.OK and len(content) <= LARGEST:
                return bytes(content)
    except (httpx.HTTPError, ValueError) as error:
        LOG.warning("%s does not answer: %s", urlsplit(url).hostname, type(error).__name__)
    raise Unavailable("Amazon SNS does not answer.", remedy="This server must reach sns.REGION.amazonaws.com by https.")


class Signatures:
    """Knows the certificates that were seen. It fetches a new one once, one at a time: anybody can name what is to be fetched."""

    def __init__(self, get: Get = fetched) -> None:
        self.get = get
        self._lock = threading.Lock()
        self._fetching = threading.Lock()
        self._failed: OrderedDict[str, datetime] = OrderedDict()
        self._known: OrderedDict[str, x509.Certificate] = OrderedDict()

    def is_right(self, envelope: Envelope, now: datetime) -> bool:
        """Whether SNS signed it.

        Raises:
            Unavailable: the certificate cannot be fetched now.
        """
        algorithm, names = _HASHES.get(envelope.SignatureVersion), _SIGNED.get(envelope.Type)
        if algorithm is None or names is None or not is_of_sns(envelope.SigningCertURL, envelope.TopicArn, _CERTIFICATE):
            return False
        try:
            signature = base64.b64decode(envelope.Signature, validate=True)
            signed = text_to_sign(envelope, names).encode()
        except (binascii.Error, ValueError):
            return False
        certificate = self._certificate(envelope.SigningCertURL, now)
        key = certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            return False
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return False
        try:
            key.verify(signature, signed, padding.PKCS1v15(), algorithm)
        except InvalidSignature:
            return False
        return True

    def _certificate(self, url: str, now: datetime) -> x509.Certificate:
        """What is at an address.

        Raises:
            Unavailable: another one is being fetched, or there was none a moment ago. SNS sends the message again.
        """
        if (known := self._seen(url, now)) is not None:
            return known
        if not self._fetching.acquire(blocking=False):
            raise Unavailable("Another certificate of Amazon SNS is being fetched.", remedy="Send it again.")
        try:
            return self._seen(url, now) or self._fetched(url, now)
        finally:
            self._fetching.release()

    def _seen(self, url: str, now: datetime) -> x509.Certificate | None:
        with self._lock:
            known, failed = self._known.get(url), self._failed.get(url)
        if known is None and failed is not None and now - failed < FAILED:
            raise Unavailable("Amazon SNS gave no certificate a moment ago.", remedy="Send it again in a minute.")
        return known

    def _fetched(self, url: str, now: datetime) -> x509.Certificate:
        try:
            found = x509.load_pem_x509_certificate(self.get(url))
        except (Unavailable, ValueError) as error:
            with self._lock:
                self._failed[url] = now
                while len(self._failed) > MOST_FAILED:
                    self._failed.popitem(last=False)
            raise Unavailable("Amazon SNS gave no certificate.", remedy="This server must reach its host by https.") from error
        with self._lock:
            self._failed.pop(url, None)
            self._known[url] = found
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return found


def text_to_sign(envelope: Envelope, names: tuple[str, ...]) -> str:
    """Names and values, a line each; a subject that is not there has none."""
    return "".join(f"{name}\n{value}\n" for name in names if (value := getattr(envelope, name)) is not None)


def is_of_sns(url: str, topic: str, path: re.Pattern[str] | None = None) -> bool:
    """Whether an address is the one host of SNS in the topic's region, by https, and nothing else."""
    arn = _ARN.fullmatch(topic)
    if arn is None:
        return False
    host = f"sns.{arn[2]}.amazonaws.com" + (".cn" if arn[1] == "aws-cn" else "")
    if not url.isascii() or not url.isprintable() or not url.startswith(f"https://{host}/"):
        return False
    rest = url.removeprefix(f"https://{host}")
    return path is None or path.fullmatch(rest) is not None


def happened(envelope: Envelope) -> datetime:
    """When it was published.

    Raises:
        BadInput: it does not say.
    """
    try:
        found = Stamp.model_validate({"at": envelope.Timestamp}).at
    except ValueError:
        found = None
    if found is None:
        raise BadInput("Timestamp: must be a time.", remedy="docs/alerts.md shows what is sent.")
    return found
