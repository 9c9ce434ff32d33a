"""Whether the language models that are configured can be asked, and whether they answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Final

from middlewatch.agents.language_model.prices import Priced
from middlewatch.agents.language_model.seam import AnswerSpec, Asked, ModelFailure, Reply, Request
from middlewatch.doctor import Check, Health
from middlewatch.models import ConfiguredModel, Declared, Models, configured_models
from middlewatch.records.errors import Misconfigured
from middlewatch.settings import Settings

SECONDS: Final = 20.0
"""For the tiny call; a model that takes longer is no use in an investigation."""

TINY: Final = Request(
    "You are asked whether you can be reached.",
    (Asked("Set ok to true."),),
    answer=AnswerSpec(
        "reached",
        {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False},
    ),
    most_tokens=1000,
)
"""Some forty tokens; a model that thinks first may take a few hundred more."""


def check_models_file(settings: Settings) -> Iterator[Check]:
    """What is configured. Nothing is sent."""
    if not settings.models_path.exists():
        none = "no language model is configured: rules answer alone"
        yield Check(name="models", health=Health.OK, found=none, remedy="To ask one as well: middlewatch models init")
        return
    try:
        declared = Models(settings).declared()
    except Misconfigured as error:
        yield Check(
            name="models", health=Health.BROKEN, found=error.message, remedy="List every mistake with: middlewatch models check"
        )
        return
    used = next((one for one in configured_models(settings, declared) if one.used), None)
    if used is None:
        none = f"{settings.models_path} names no model for investigations: rules answer alone"
        yield Check(name="models", health=Health.OK, found=none, remedy="Name one in its section [agents].")
    elif not used.ready:
        found = f"{used.key_name} is not set: investigations do without {used.model}"
        yield Check(name="models", health=Health.NOTICE, found=found, remedy=f"Set {used.key_name} for serve and worker.")
    elif declared.budgets.closed:
        found = f"no model will be asked: `{declared.budgets.closed[0]}` of [budgets] is 0"
        yield Check(name="models", health=Health.NOTICE, found=found, remedy="Raise it, or take [agents] out of models.toml.")
    else:
        yield Check(name="models", health=Health.OK, found=f"investigations ask {used.model} at {used.host}", remedy=_price(used))


def check_models_answer(settings: Settings) -> Iterator[Check]:
    """Ask every model of the file once; a tiny call, which costs a fraction of a cent."""
    models = Models(settings)
    try:
        declared = models.declared()
        for one in configured_models(settings, declared):
            yield _asked(models, declared, one)
    except Misconfigured:  # check_models_file says it
        return
    finally:
        models.close()


def _asked(models: Models, declared: Declared, one: ConfiguredModel) -> Check:
    name = f"model {one.section}"
    if not one.ready:
        health = Health.BROKEN if one.used else Health.NOTICE
        return Check(name=name, health=health, found=f"not asked: {one.key_name} is not set", remedy=f"Set {one.key_name}.")
    try:
        model = models.opened(one.section).model
        began = time.monotonic()
        reply = model.respond(TINY, seconds=SECONDS, cancelled=threading.Event())
    except (Misconfigured, ModelFailure) as error:
        return Check(name=name, health=Health.BROKEN, found=error.message, remedy=error.remedy)
    seconds = time.monotonic() - began
    found = f"{one.model} at {one.host} answered in {seconds:.1f} s: {_cost(reply, declared.price(declared.models[one.section]))}"
    if reply.answer != {"ok": True}:
        remedy = "It does not keep to the form of an answer; take a model or a server that forces it (structured output)."
        return Check(name=name, health=Health.NOTICE, found=f"{found}, but not what it was asked for", remedy=remedy)
    return Check(name=name, health=Health.OK, found=found, remedy=_price(one))


def _cost(reply: Reply, priced: Priced | None) -> str:
    tokens = reply.tokens
    counted = f"{tokens.prompt} tokens read, {tokens.output} written"
    return f"{counted}, price not known" if priced is None else f"{counted}, ${priced.price.dollars(tokens):.6f}"


def _price(one: ConfiguredModel) -> str:
    if one.price is not None:
        return ""
    return f"Its price is not known, so no dollars bound it: add [[prices]] for {one.model} to models.toml."
