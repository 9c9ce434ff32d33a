"""All configuration, from environment variables that start with `MIDDLEWATCH_`. Nothing else reads the environment."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Self

from platformdirs import user_data_path
from pydantic import AnyHttpUrl, AnyUrl, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from middlewatch.records import DEFAULT_TENANT, Tenant
from middlewatch.records.errors import Misconfigured

_FACES = frozenset(
    {"host", "port", "public_url", "trusted_proxies", "session_hours", "oidc_issuer", "oidc_client_id", "oidc_client_secret"}
    | {"otlp_host", "otlp_http_port", "otlp_grpc_port", "otlp_token_sha256", "correlation_keys"}
    | {"metrics_token_sha256", "runbooks", "otel_endpoint", "otel_headers"}
    | {f"slack_{name}" for name in ("bot_token", "signing_secret", "app_token", "team", "channel", "api_url")}
)
"""What only the faces need; an executor is not told."""
_MODELS = frozenset({"models_file", "anthropic_key", "openai_key", "compatible_key"})
"""What only those need who ask language models; an executor is not told either."""
_RECEIVING = frozenset(
    {"data_dir", "clickhouse_url", "redis_url", "epoch_file", "collector_database", "tenant"}
    | {"otlp_host", "otlp_http_port", "otlp_grpc_port", "otlp_token_sha256", "correlation_keys"}
    | {"query_seconds", "query_rows", "query_memory_mib", "query_concurrency"}
)
"""What a process needs that takes telemetry in beside another, which owns the data directory."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ATTRIBUTE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Settings(BaseSettings):
    """What can be configured. Every field is the environment variable of the same name after `MIDDLEWATCH_`."""

    model_config = SettingsConfigDict(env_prefix="MIDDLEWATCH_", frozen=True, extra="ignore", env_ignore_empty=True)

    data_dir: Path = Field(
        default_factory=lambda: user_data_path("middlewatch", appauthor=False),
        description="where the embedded deployment keeps everything",
    )
    clickhouse_url: AnyUrl | None = Field(
        default=None, description="a ClickHouse server instead of the embedded one: http(s)://user:password@host:port/database"
    )
    redis_url: AnyUrl | None = Field(
        default=None, description="a Redis server instead of the embedded one: redis(s)://user:password@host:port/0"
    )
    collector_database: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$",
        description="read live telemetry from the OpenTelemetry Collector's own tables in this database of the ClickHouse server",
    )
    epoch_file: Path | None = Field(
        default=None, description="the operator's epoch file; required with redis_url, inside data_dir otherwise"
    )
    tenant: Tenant = Field(default=DEFAULT_TENANT, description="whose telemetry and investigations")
    audit_key_file: Path | None = Field(
        default=None, description="the key that signs the audit log, the same in every process; made inside data_dir where absent"
    )
    audit_copies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="where checkpoints of the audit log are copied: folders and http(s) URLs, with blanks between"
    )

    policy_file: Path | None = Field(
        default=None, description="who may decide what; `policy.toml` in data_dir where it is not named"
    )
    actions_file: Path | None = Field(
        default=None, description="what can be done to which service, and where; `actions.toml` in data_dir where it is not named"
    )
    services_file: Path | None = Field(
        default=None, description="what is declared of services; `services.toml` in data_dir where it is not named"
    )
    intake_file: Path | None = Field(
        default=None, description="who may send alerts and changes; `intake.toml` in data_dir where it is not named"
    )
    runbooks: Path | None = Field(
        default=None,
        description="the folder of your runbooks, Markdown files, which may be a checkout of git; none where it is not named",
    )
    models_file: Path | None = Field(
        default=None, description="which language models may be asked, and what they may cost; `models.toml` in data_dir otherwise"
    )
    anthropic_key: SecretStr | None = Field(default=None, description="of Anthropic's API, for a model of `models.toml`")
    openai_key: SecretStr | None = Field(default=None, description="of OpenAI's API, likewise")
    compatible_key: SecretStr | None = Field(
        default=None, description="of a server that is compatible with OpenAI's chat completions, if it wants one"
    )
    credentials_dir: Path | None = Field(
        default=None, description="the credentials of actions, read by the executor alone; `credentials` in data_dir otherwise"
    )
    token: SecretStr | None = Field(default=None, description="who runs a command, by the token that policy has a digest of")

    host: str = Field(default="127.0.0.1", description="the address that `serve` listens at")
    port: int = Field(default=8321, ge=0, le=65535, description="the port that `serve` listens at; 0 for any free one")
    public_url: AnyHttpUrl | None = Field(
        default=None,
        description="where people reach `serve`, such as https://middlewatch.example.com; for links, cookies and hosts",
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        default=(IPv4Network("127.0.0.1"), IPv6Network("::1")),
        description="addresses and networks of proxies, blanks between, whose `X-Forwarded-For` and `-Proto` are believed",
    )
    session_hours: float = Field(default=12.0, gt=0, le=24 * 30, description="how long a sign-in in the browser lasts")
    oidc_issuer: AnyHttpUrl | None = Field(default=None, description="the OpenID provider that people sign in with")
    oidc_client_id: str | None = Field(default=None, description="as the provider has middlewatch registered")
    oidc_client_secret: SecretStr | None = Field(default=None, description="of that client; null for a public one")

    slack_bot_token: SecretStr | None = Field(default=None, description="xoxb-...: posts and edits messages")
    slack_signing_secret: SecretStr | None = Field(default=None, description="what Slack signs its requests with (HTTP)")
    slack_app_token: SecretStr | None = Field(default=None, description="xapp-...: Socket Mode in place of HTTP")
    slack_team: str | None = Field(default=None, pattern=r"^[TE][A-Z0-9]{2,20}$", description="the one workspace that is served")
    slack_channel: str | None = Field(
        default=None, pattern=r"^[CG][A-Z0-9]{2,20}$", description="the channel that investigations go to"
    )
    slack_api_url: AnyHttpUrl = Field(default=AnyHttpUrl("https://slack.com/api/"), description="Slack's Web API")

    otlp_host: str = Field(default="127.0.0.1", description="the address that telemetry is taken in at, over OTLP")
    otlp_http_port: int = Field(default=4318, ge=0, le=65535, description="the port of OTLP over HTTP; 0 for any free one")
    otlp_grpc_port: int = Field(default=4317, ge=0, le=65535, description="the port of OTLP over gRPC; 0 for any free one")
    otlp_token_sha256: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="SHA-256 digests, blanks between, of the bearer tokens that telemetry is taken with"
    )
    correlation_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("correlation.id", "correlation_id", "x-correlation-id"),
        description="attributes and headers, blanks between, whose value says that spans of different traces belong together",
    )

    metrics_token_sha256: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="SHA-256 digests, blanks between, of the bearer tokens that `/metrics` of `serve` is read with"
    )

    otel_endpoint: AnyHttpUrl | None = Field(
        default=None,
        description="where spans of language models' calls go, over OTLP/HTTP, as http://collector:4318; nowhere otherwise",
    )
    otel_headers: SecretStr | None = Field(default=None, description="sent along with these spans: name=value,name=value")

    slots: int = Field(default=4, ge=1, le=64, description="tasks that one process works on at a time")
    lease_seconds: float = Field(default=30.0, gt=0, le=3600, description="how long a claim lasts without renewal")
    max_attempts: int = Field(default=5, ge=1, le=100, description="claims of one task before it is given up and shown to a person")
    retention_hours: float = Field(
        default=24.0, gt=0, description="how long a closed investigation stays in Redis before it is archived"
    )
    redis_memory_mib: int = Field(
        default=512, ge=16, description="above this the store takes no new investigations; running ones go on"
    )

    query_seconds: int = Field(default=60, ge=1, description="a telemetry query that takes longer is stopped")
    query_rows: int = Field(default=500_000, ge=1000, description="rows that one telemetry query may return")
    query_memory_mib: int = Field(default=4096, ge=64, description="memory that one telemetry query may take at the source")
    query_concurrency: int = Field(default=4, ge=1, description="telemetry queries under way at once from this process")

    baseline_hours: float = Field(default=24.0, gt=0, description="history of metrics and changes in the first round")
    wider_baseline_hours: float = Field(default=72.0, gt=0, description="history of metrics and changes in a second round")
    recovery_seconds: float = Field(
        default=60.0, ge=10, le=600, description="how long a symptom must have been over before it is called recovered"
    )

    @field_validator("otlp_token_sha256", "metrics_token_sha256", mode="after")
    @classmethod
    def _digests(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(_SHA256.fullmatch, value)):
            message = "a digest has 64 characters of 0-9 and a-f, as `printf %s TOKEN | sha256sum` prints it"
            raise ValueError(message)
        return value

    @field_validator("correlation_keys", mode="after")
    @classmethod
    def _attributes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(_ATTRIBUTE.fullmatch, value)):
            message = "a name of an attribute or header has letters, digits, dots, dashes and underscores, and at most 64 of them"
            raise ValueError(message)
        return value

    @field_validator("audit_copies", "otlp_token_sha256", "metrics_token_sha256", "correlation_keys", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        found = tuple(ip_network(word) for word in value.split()) if isinstance(value, str) else value
        if isinstance(found, tuple) and any(network.prefixlen == 0 for network in found):
            message = "whoever may say where they come from is counted nowhere: name the proxies"
            raise ValueError(message)
        return found

    @field_validator(
        *(
            "data_dir",
            "epoch_file",
            "audit_key_file",
            "policy_file",
            "actions_file",
            "services_file",
            "intake_file",
            "models_file",
            "runbooks",
            "credentials_dir",
        )
    )
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        """The same folder, wherever the command is started."""
        return None if path is None else path.expanduser().absolute()

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            Misconfigured: a variable has a value that cannot be used; the message names it.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = f"MIDDLEWATCH_{first['loc'][0]}".upper()
            raise Misconfigured(f"{name}: {first['msg']}.", remedy="Correct the variable or unset it.") from None

    @property
    def uses_default_data_dir(self) -> bool:
        """Whether the data directory is the one that is used where none is named."""
        return "data_dir" not in self.model_fields_set

    @property
    def audit_key_path(self) -> Path:
        """Where the audit log's key is kept."""
        return self.audit_key_file or self.data_dir / "audit" / "key"

    @property
    def policy_path(self) -> Path:
        """Who may decide what."""
        return self.policy_file or self.data_dir / "policy.toml"

    @property
    def actions_path(self) -> Path:
        """What can be done to which service."""
        return self.actions_file or self.data_dir / "actions.toml"

    @property
    def services_path(self) -> Path:
        """Tiers, objectives and maintenance of services."""
        return self.services_file or self.data_dir / "services.toml"

    @property
    def intake_path(self) -> Path:
        """Who may send alerts and changes."""
        return self.intake_file or self.data_dir / "intake.toml"

    @property
    def models_path(self) -> Path:
        """Which language models may be asked."""
        return self.models_file or self.data_dir / "models.toml"

    @property
    def intake_secrets_path(self) -> Path:
        """The folder of what senders sign with."""
        return self.intake_path.parent / "intake-secrets"

    @property
    def credentials_path(self) -> Path:
        """The folder of the credentials of actions."""
        return self.credentials_dir or self.data_dir / "credentials"

    def for_executor(self) -> dict[str, str]:
        """The environment of an executor's process: these settings, without what it has no use for."""
        own = self.model_dump(
            mode="json", exclude={"token", "clickhouse_url", "collector_database", *_FACES, *_MODELS}, exclude_none=True
        )
        return _environment(own)

    def for_program(self) -> dict[str, str]:
        """The environment of a program of ours with just these settings, whatever else is set here. Secrets are left out."""
        secret = {name for name, value in self if isinstance(value, SecretStr)}
        return _environment(self.model_dump(mode="json", exclude_none=True, exclude_defaults=True, exclude=secret))

    def for_receiver(self) -> dict[str, str]:
        """The environment of a process that takes telemetry in."""
        return _environment(self.model_dump(mode="json", include=set(_RECEIVING), exclude_none=True))

    @property
    def epoch_path(self) -> Path:
        """Where the epoch is kept.

        Raises:
            Misconfigured: a Redis server is configured and no epoch file.
        """
        if self.epoch_file is not None:
            return self.epoch_file
        if self.redis_url is not None:
            raise Misconfigured(
                "MIDDLEWATCH_REDIS_URL is set and MIDDLEWATCH_EPOCH_FILE is not.",
                remedy="Name a file outside Redis that every worker can read; it is created with epoch 1 where it is absent.",
            )
        return self.data_dir / "epoch"


def _environment(own: Mapping[str, object]) -> dict[str, str]:
    """The environment of a process of ours, with nothing of middlewatch's in it but `own`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MIDDLEWATCH_")}
    return inherited | {
        f"MIDDLEWATCH_{name.upper()}": " ".join(value) if isinstance(value, list) else str(value) for name, value in own.items()
    }


def no_color() -> bool:
    """Whether the reader asked for no colour (https://no-color.org) or the terminal has none."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def ascii_only() -> bool:
    """Whether standard output cannot show more than ASCII."""
    return "utf" not in (sys.stdout.encoding or "").lower()
