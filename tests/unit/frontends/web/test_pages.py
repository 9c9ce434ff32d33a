"""Invariants: whatever a template shows is escaped and harmless; what it does not know is an error; every file of ours is found."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from middlewatch.frontends.web.guards import allowed_hosts, origin_of
from middlewatch.frontends.web.pages import environment
from middlewatch.frontends.web.sign_in import own_path
from middlewatch.frontends.web.static_files import assets
from middlewatch.settings import Settings
from tests.hostile import HOSTILE


def shown(template: str, **context: object) -> str:
    return environment().from_string(template).render(**context)


@given(HOSTILE)
def test_foreign_text_is_text(text: str) -> None:
    for kind in ("", "| plain", "| named", "| quoted", "| line"):
        written = shown(f'<b title="{{{{ x {kind} }}}}">{{{{ x {kind} }}}}</b>', x=text)
        assert re.fullmatch(r'<b title="[^"<>]*">[^<>]*</b>', written, re.DOTALL)


def test_numbers_have_their_units_and_times_their_exact_value() -> None:
    moment = datetime(2026, 11, 21, 1, 56, 12, 345678, tzinfo=UTC)
    assert shown("{{ x | quantity('ms') }}", x=2610) == "2.61 s"
    assert shown("{{ x | percent }}", x=0.823) == "82 %"
    assert shown("{{ x | duration }}", x=340) == "5 min 40 s"
    assert shown("{{ x | clock(day) }}", x=moment, day=moment.date()) == '<time datetime="2026-11-21T01:56:12.345Z">01:56:12</time>'
    assert "2026-11-21 01:56:12" in shown("{{ x | clock(day) }}", x=moment, day=date(2026, 11, 22))
    assert shown("{{ x | stamp }}", x=moment) == '<time datetime="2026-11-21T01:56:12.345Z">2026-11-21 01:56:12</time>'


def test_a_name_that_nobody_gave_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        shown("{{ nothing }}")


def test_every_template_compiles_and_every_file_of_its_exists() -> None:
    for entry in resources.files("middlewatch.frontends.web").joinpath("templates").iterdir():
        environment().get_template(entry.name)
        text = entry.read_text(encoding="utf-8")
        assert set(re.findall(r"asset\('([^']+)'\)", text)) <= assets().keys(), entry.name
        assert not re.search(r"<script>|<style|\sstyle=|\son[a-z]+=|https?://(?!www\.w3\.org)", text), entry.name


def test_licences_are_beside_what_is_not_ours() -> None:
    licences = assets()["vendor/licences.txt"].content.decode()
    assert all(
        name.partition("/")[2] in licences for name in assets() if name.startswith("vendor/") and name.endswith(("js", "css"))
    )


@given(st.text(max_size=40))
def test_a_way_back_is_a_path_of_ours(text: str) -> None:
    back = own_path(text)
    assert re.fullmatch(r"/(?![/\\])[ -~]*", back)
    assert "\\" not in back


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://mw.example", "https://mw.example"),
        ("https://MW.example:443/x?y", "https://mw.example"),
        ("http://mw.example:8321/", "http://mw.example:8321"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
def test_an_origin_is_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_names_that_are_answered() -> None:
    assert allowed_hosts(Settings()) == {"127.0.0.1", "localhost", "[::1]"}
    public = Settings.model_validate({"host": "10.0.0.1", "public_url": "https://MW.example:8443/"})
    assert allowed_hosts(public) == {"10.0.0.1", "mw.example"}
    assert allowed_hosts(Settings(host="::")) == {"[::]"}
