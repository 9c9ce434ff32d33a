"""How a language model is reached: what whoever configures it has to say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import httpx2
from pydantic import SecretStr

from middlewatch.agents.language_model.allowed_hosts import AllowedHosts


class ProviderName(StrEnum):
    """Whose protocol is spoken."""

    ANTHROPIC = "anthropic"
    """Messages."""
    OPENAI = "openai"
    """Responses."""
    COMPATIBLE = "compatible"
    """Chat completions, as Ollama, vLLM and gateways serve them."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One model of one provider."""

    provider: ProviderName
    model: str
    """The provider's own name of it."""
    url: str
    """Of the API; for openai and compatible with its version, such as https://api.openai.com/v1."""
    key: SecretStr | None
    key_name: str
    """The setting that has the key, for whoever has to mend it."""
    allowed: AllowedHosts
    effort: bool
    """Whether the model can be told how much to think."""
    thinking: str = ""
    """anthropic: how its thinking is turned off; empty where nothing is said of it."""
    breakpoints: bool = False
    """openai: whether the model's cache is told where what is the same in many requests ends."""

    @property
    def host(self) -> str:
        """Where text goes.

        Raises:
            Misconfigured: the URL is none, or text may not go there.
        """
        return self.allowed.host_of(self.url)

    @property
    def place(self) -> str:
        """The same with the port where the URL names one: what people are told of it.

        Raises:
            Misconfigured: likewise.
        """
        host, port = self.host, httpx2.URL(self.url).port
        return host if port is None else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
