"""From a connection to a language model. A provider's package takes seconds to load, so it is, when its model is first opened."""

from __future__ import annotations

from middlewatch.agents.language_model.connection import Connection, ProviderName
from middlewatch.agents.language_model.remote import Dialect, RemoteModel
from middlewatch.agents.language_model.seam import LanguageModel
from middlewatch.records.errors import Misconfigured


def open_model(connection: Connection) -> LanguageModel:
    """A model that can be asked. Nothing is sent yet.

    Raises:
        Misconfigured: text may not go to its URL, or the provider's package is not installed.
    """
    try:
        dialect = _dialect(connection)
    except ImportError as error:
        raise Misconfigured(
            f"The package of {connection.provider} cannot be loaded: {error.name}.",
            remedy="Install middlewatch with its dependencies again.",
        ) from None
    return RemoteModel(connection, dialect)


def _dialect(connection: Connection) -> Dialect:
    match connection.provider:
        case ProviderName.ANTHROPIC:
            from middlewatch.agents.language_model.anthropic_messages import AnthropicMessages  # noqa: PLC0415  see above

            return AnthropicMessages(connection)
        case ProviderName.OPENAI:
            from middlewatch.agents.language_model.openai_responses import OpenAIResponses  # noqa: PLC0415  likewise

            return OpenAIResponses(connection)
        case ProviderName.COMPATIBLE:
            from middlewatch.agents.language_model.chat_completions import ChatCompletions  # noqa: PLC0415  likewise

            return ChatCompletions(connection)
