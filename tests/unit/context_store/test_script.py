"""A script's signature is its contract: every key and argument has its name in Lua, in the order in which it is sent."""

from __future__ import annotations

import dataclasses
from importlib import resources

import pytest

from middlewatch.context_store import scripts
from middlewatch.context_store.keys import investigation_keys, once_keys, queue_keys, tenant_keys
from middlewatch.context_store.script import Script

ALL = {name: script for name, script in vars(scripts).items() if isinstance(script, Script)}
SHARED = {"epoch", "investigation", "approvals", "sessions", "content"}


def lua_files() -> set[str]:
    folder = resources.files("middlewatch.context_store.scripts")
    return {file.name.removesuffix(".lua") for file in folder.iterdir() if file.name.endswith(".lua")}


def test_every_file_has_a_signature_and_every_signature_a_file() -> None:
    assert set(ALL) == lua_files() - SHARED


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_script_checks_the_epoch_before_anything_else(name: str) -> None:
    text = ALL[name].text
    assert text.index("return {'STALE_EPOCH', seen}") < min(
        text.find(f"redis.call('{command}'") for command in ("HSET", "SADD", "DEL", "GET") if f"redis.call('{command}'" in text
    )


@pytest.mark.parametrize("name", sorted(ALL))
def test_no_script_takes_the_time_from_outside(name: str) -> None:
    assert "local now = clock[1]" in ALL[name].text
    assert not {"now", "time", "clock"} & set(ALL[name]._arguments)


@pytest.mark.parametrize(
    "keys", [tenant_keys("acme"), investigation_keys("acme", "inv-1"), queue_keys(3, "request"), once_keys("acme", "d")]
)
def test_all_keys_of_a_script_have_one_hash_tag(keys: object) -> None:
    assert dataclasses.is_dataclass(keys)
    tags = {value.partition("{")[2].partition("}")[0] for value in dataclasses.astuple(keys)}  # type: ignore[arg-type]  # an instance
    assert len(tags) == 1


def test_the_signature_is_what_lua_sees() -> None:
    head = ALL["renew"].text.splitlines()[:16]
    assert head[0] == "local meta = KEYS[1]"
    assert "local epoch = tonumber(ARGV[1])" in head
    assert "local task = ARGV[2]" in head
    assert "local token_counter = tonumber(ARGV[5])" in head
    assert "local written = cjson.decode(ARGV[6])" in ALL["append"].text
