"""A Lua script with a typed signature.

The signature is the contract: its first parameter names the keys, in the order of their class, the others are the arguments.
The Lua text refers to both by name. In front of every script stands ``epoch.lua``, which refuses a process at an older epoch;
in front of those over an investigation also ``investigation.lua``, the words that they share, and ``approvals.lua`` in front of
those over approvals and ``sessions.lua`` in front of those over sign-ins; ``content.lua`` is the same for backup and restore.

A script answers a list whose first item says how it went: ``OK`` or a refusal. Refusals that mean the same everywhere are
turned into errors here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, Generic, ParamSpec, get_type_hints

from redis import Redis
from redis.exceptions import NoScriptError

from middlewatch.context_store.connection import patiently
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.keys import ApprovalKeys, InvestigationKeys, SessionKeys
from middlewatch.records.errors import BadInput, Conflict, LeaseLost, StaleEpoch, UnknownInvestigation, UnknownRequest

P = ParamSpec("P")
Reply = list[Any]
"""What Redis answers: strings, whole numbers, None, and lists of them."""

AT_ONCE = 200
"""In one exchange: a few hundred kilobytes of answers (chosen, not derived)."""
_FOLDER = "middlewatch.context_store.scripts"
_SHARED_WORDS = {InvestigationKeys: "investigation", ApprovalKeys: "approvals", SessionKeys: "sessions"}
_FROM_ARGUMENT = {str: "ARGV[{0}]", int: "tonumber(ARGV[{0}])", list: "cjson.decode(ARGV[{0}])"}


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A Redis, and the epoch at which this process talks to it."""

    redis: Redis
    epoch: Epoch


class Script(Generic[P]):
    """Made from a signature; called with a server in front."""

    def __init__(self, signature: Callable[P, None]) -> None:
        self.name = signature.__name__
        types = get_type_hints(signature)
        _, *self._arguments = inspect.signature(signature).parameters
        self._keys = [field.name for field in dataclasses.fields(types["keys"])]
        lines = [f"local {name} = KEYS[{n}]" for n, name in enumerate(self._keys, start=1)]
        lines.append("local epoch = tonumber(ARGV[1])")
        for n, argument in enumerate(self._arguments, start=2):
            kind = getattr(types[argument], "__origin__", types[argument])
            lines.append(f"local {argument} = {_FROM_ARGUMENT[kind].format(n)}")
        shared = ["epoch"]
        if self.name.startswith(("export", "import")):
            shared.append("content")
        if shared_words := _SHARED_WORDS.get(types["keys"]):
            shared.append(shared_words)
        self.text = "\n".join([*lines, *(_lua(name) for name in (*shared, self.name))])

    def __call__(self, server: Server, *args: P.args, **kwargs: P.kwargs) -> Reply:
        """Run the script. A lost connection repeats it with the same arguments.

        Raises:
            StaleEpoch: the store is at a newer epoch than this process.
            UnknownInvestigation: there is none under these keys.
            LeaseLost: the fencing token is stale.
            StoreUnavailable: Redis stays away or refuses.
            StoreFull: Redis is out of memory.
        """
        keys = self._names(args[0])
        values = [kwargs[argument] for argument in self._arguments]
        arguments = [value if isinstance(value, str | int) else json.dumps(value) for value in values]
        reply: Reply = patiently(server.redis, lambda: self._evaluate(server.redis, keys, [server.epoch.number, *arguments]))
        return _accepted(reply, server)

    def over(self, server: Server, many: Sequence[object]) -> list[Reply | None]:
        """Run a script without arguments over the keys of each of many things, in one exchange: `AT_ONCE` at most.

        Returns:
            A reply for each; None where there is nothing under its keys.

        Raises:
            StaleEpoch: the store is at a newer epoch than this process.
            StoreUnavailable: Redis stays away or refuses.
        """
        names = [self._names(keys) for keys in many]
        found: list[Reply | None] = []
        for reply in patiently(server.redis, lambda: self._evaluate_each(server, names)):
            try:
                found.append(_accepted(list(_text(reply)), server))
            except UnknownInvestigation:
                found.append(None)
        return found

    def _names(self, keys: object) -> list[str]:
        return [getattr(keys, name) for name in self._keys]

    def _evaluate_each(self, server: Server, names: list[list[str]]) -> list[Any]:
        digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        with server.redis.pipeline(transaction=False) as pipeline:
            for keys in names:
                pipeline.evalsha(digest, len(keys), *keys, server.epoch.number)
            try:
                return pipeline.execute()
            except NoScriptError:  # a server that has just started
                pipeline.reset()
                for keys in names:
                    pipeline.eval(self.text, len(keys), *keys, server.epoch.number)
                return pipeline.execute()

    def _evaluate(self, redis: Redis, keys: list[str], arguments: list[str | int]) -> Reply:
        digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        try:
            reply = redis.evalsha(digest, len(keys), *keys, *arguments)
        except NoScriptError:  # a server that has just started; EVAL runs the script and keeps it
            reply = redis.eval(self.text, len(keys), *keys, *arguments)
        return list(_text(reply))


def _accepted(reply: Reply, server: Server) -> Reply:
    match reply[0]:
        case "STALE_EPOCH":
            raise StaleEpoch(
                f"The context store is at epoch {reply[1]} and this process at {server.epoch.number}.",
                remedy="Restart it with the operator's current epoch file.",
            )
        case "UNKNOWN":
            raise UnknownInvestigation(remedy="It may have been archived; list the open ones to see what there is.")
        case "UNKNOWN_REQUEST":
            raise UnknownRequest(remedy="List what there is with: middlewatch approvals list --all")
        case "CONFLICT":
            raise Conflict
        case "STALE":
            raise LeaseLost
        case "DUPLICATE":
            raise BadInput(f"The investigation already has a task {reply[1]!r}.", remedy="Give each task an id of its own.")
        case _:
            return reply


def _text(reply: Any) -> Any:  # noqa: ANN401  # a client may be set to answer bytes at any depth
    if isinstance(reply, bytes):
        return reply.decode()
    if isinstance(reply, list):
        return [_text(item) for item in reply]
    return reply


def _lua(name: str) -> str:
    return resources.files(_FOLDER).joinpath(f"{name}.lua").read_text(encoding="utf-8")
