"""Live pages over a real store and a real server: resumed where they were, and over when the viewer is nobody any more."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from middlewatch.frontends.web import live
from middlewatch.records import Investigation, Verdict
from tests.report_finding import finding
from tests.web_server import served
from tests.web_site import WebSite

SECONDS = 10.0


@pytest.fixture(scope="module")
def url(site: WebSite) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "BEAT_SECONDS", 0.2)
        with served(site.site) as found:
            yield found
        site.site.state.stopping.set()


@pytest.fixture
def about(site: WebSite) -> Investigation:
    return site.seed(finding())


class Frames:
    """The frames of a stream, as a browser reads them."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def __iter__(self) -> Iterator[dict[str, str]]:
        frame: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if line:
                frame[name] = value
            elif frame:
                yield frame
                frame = {}

    def next(self, event: str = "update") -> dict[str, Any]:
        """The next one of a kind."""
        return next(frame for frame in self if frame.get("event") == event)


@contextmanager
def stream(url: str, path: str, site: WebSite, person: str = "mia", **headers: str) -> Iterator[Frames]:
    cookies = dict(site.client(person).cookies)
    with (
        httpx.Client(base_url=url, cookies=cookies, timeout=SECONDS) as client,
        client.stream("GET", path, headers={"accept-encoding": "gzip", **headers}) as response,
    ):
        yield Frames(response)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def say(site: WebSite, about: Investigation, cause: str) -> None:
    site.app.handlings.give_feedback(
        about.id, Verdict.WRONG, site.app.approvals.recognise("token:leo-token"), cause=cause, face="web"
    )


def test_what_happens_is_told_in_words_and_goes_on_after_the_last_id(site: WebSite, url: str, about: Investigation) -> None:
    path = f"/investigations/{about.id}/stream?after={site.app.live.end(about.id)}"
    with stream(url, path, site) as frames:
        response = frames.response
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        assert "content-encoding" not in response.headers
        say(site, about, "one")
        first = frames.next()
        assert (
            json.loads(first["data"]).items()
            >= {
                "kind": "feedback.given",
                "actor": "Leo Example",
                "words": "called the answer wrong",
            }.items()
        )
    say(site, about, "two")
    say(site, about, "three")
    with stream(url, path, site, **{"last-event-id": first["id"]}) as frames:
        again = [frames.next()["id"] for _ in range(2)]
        say(site, about, "four")
        again.append(frames.next()["id"])
    assert len({first["id"], *again}) == 4


def test_all_viewers_share_one_reader_that_ends_with_the_last(site: WebSite, url: str, about: Investigation) -> None:
    path = f"/investigations/{about.id}/stream"
    with stream(url, path, site) as one, stream(url, path, site, "leo") as other:
        assert one.next()["data"] == other.next()["data"]
        one.next("beat")
        assert len(site.site.state.watching) == 1
    until(lambda: len(site.site.state.watching) == 0)
    until(lambda: not any(thread.name.startswith("live-") for thread in threading.enumerate()))


def test_whoever_is_signed_out_sees_no_more(site: WebSite, url: str, about: Investigation) -> None:
    client = site.client("lea")
    with (
        httpx.Client(base_url=url, cookies=dict(client.cookies), timeout=SECONDS) as browser,
        browser.stream("GET", f"/investigations/{about.id}/stream") as response,
    ):
        frames = Frames(response)
        frames.next("beat")
        site.app.sessions.end(next(iter(dict(client.cookies).values())))
        assert [frame for frame in frames if frame.get("event") != "beat"][-1]["event"] == "over"


def test_a_list_says_that_it_changed(site: WebSite, url: str, about: Investigation) -> None:
    with stream(url, f"/stream?after={site.site.state.watching.lists_now()}", site) as frames:
        frames.next("beat")
        say(site, about, "changed")
        frames.next("changed")
    with stream(url, "/stream", site, **{"last-event-id": "something older"}) as frames:
        assert frames.next("changed")["id"]


@pytest.mark.parametrize(("path", "status"), [("inv-nothing/stream", 404), ("{}/stream?after=nonsense", 422)])
def test_of_nothing_there_is_no_stream(site: WebSite, about: Investigation, path: str, status: int) -> None:
    assert site.client("mia").get(f"/investigations/{path.format(about.id)}").status_code == status


def test_streams_end_when_the_server_stops(site: WebSite, about: Investigation) -> None:
    other = site.beside()
    with served(other) as url, stream(url, f"/investigations/{about.id}/stream", site) as frames:
        frames.next()
        other.state.stopping.set()
        for _ in frames:
            pass
