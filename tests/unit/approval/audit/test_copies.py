"""Invariants: every checkpoint reaches every place, in order, however often a place fails; and no place holds up another."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import httpx
import pytest

from middlewatch.approval.audit import copies
from middlewatch.approval.audit.checkpoint import Checkpoint, notes_in
from middlewatch.approval.audit.copies import Copies, CopyFailed, FolderCopy, HttpCopy, Trouble, copy_to
from middlewatch.records.errors import Misconfigured
from tests.unit.approval.audit.logs import make_export, make_signer

CHECKPOINTS = make_export(6).checkpoints
NOTES = [checkpoint.signed(make_signer()) for checkpoint in CHECKPOINTS]
BOTH = list(zip(CHECKPOINTS, NOTES, strict=True))
FILE = "middlewatch-0123456789abcdef-acme.checkpoints"


class Place:
    """Takes what it is given, or does not."""

    def __init__(self) -> None:
        self.place = "somewhere"
        self.down = False
        self.asked = 0
        self.got: list[int] = []

    def put(self, checkpoint: Checkpoint, note: str) -> None:
        self.asked += 1
        if self.down:
            raise CopyFailed("down")
        assert note == NOTES[checkpoint.size - 1]
        self.got.append(checkpoint.size)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_a_place_did_not_take_waits_and_comes_in_order() -> None:
    clock, good, bad = Clock(), Place(), Place()
    handed = Copies([good, bad], clock=clock)
    bad.down = True
    assert handed.hand(*BOTH[0]) == (Trouble("somewhere", "down", 1),)
    assert handed.hand(*BOTH[1]) == ()
    assert (good.got, handed.troubles) == ([1, 2], (Trouble("somewhere", "down", 2),))
    bad.down = False
    clock.now = copies.FIRST_PAUSE_SECONDS
    assert handed.hand(*BOTH[2]) == (Trouble("somewhere", "", 0),)
    assert (good.got, bad.got, handed.troubles) == ([1, 2, 3], [1, 2, 3], ())


def test_a_place_that_is_down_is_left_alone_for_longer_and_longer() -> None:
    clock, bad = Clock(), Place()
    handed = Copies([bad], clock=clock)
    bad.down = True
    handed.hand(*BOTH[0])
    for second in range(1, 1000):
        clock.now = float(second)
        handed.again()
    assert bad.asked == pytest.approx(2 + 5 + 1000 / copies.LONGEST_PAUSE_SECONDS, abs=3)


def test_the_oldest_is_given_up_and_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(copies, "MOST_KEPT", 3)
    clock, bad = Clock(), Place()
    handed = Copies([bad], clock=clock)
    bad.down = True
    for both in BOTH:
        handed.hand(*both)
    assert caplog.text.count("given up") == 3
    bad.down, clock.now = False, 60.0
    handed.again()
    assert bad.got == [4, 5, 6]


def test_threads_that_hand_at_once_lose_nothing() -> None:
    place = Place()
    handed = Copies([place])
    threads = [threading.Thread(target=handed.hand, args=both) for both in BOTH]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handed.again()
    assert sorted(place.got) == [1, 2, 3, 4, 5, 6]


def test_a_folder_has_all_of_them_in_one_file(tmp_path: Path) -> None:
    copy = FolderCopy(tmp_path)
    for both in [*BOTH, BOTH[-1]]:  # a second process may hand the newest once more
        copy.put(*both)
    assert (tmp_path / FILE).read_text() == "".join(NOTES)


@pytest.mark.parametrize("cut", [1, 40, 85, 90, -1])
def test_a_note_that_a_power_cut_shortened_spoils_none_after_it(tmp_path: Path, cut: int) -> None:
    (tmp_path / FILE).write_text(NOTES[0] + NOTES[1][:cut])
    FolderCopy(tmp_path).put(*BOTH[2])
    with (tmp_path / FILE).open(newline="\n") as lines:
        found = [note for _, note in notes_in(lines)]
    assert (found[0], found[-1], len(found)) == (NOTES[0], NOTES[2], 3)


def test_a_disk_that_takes_a_part_keeps_none_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = FolderCopy(tmp_path)
    copy.put(*BOTH[0])
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, content: write(handle, content[:10]))
        with pytest.raises(CopyFailed, match="only a part"):
            copy.put(*BOTH[1])
    copy.put(*BOTH[1])
    assert (tmp_path / FILE).read_text() == NOTES[0] + NOTES[1]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(CopyFailed, match="No such file"):
        FolderCopy(tmp_path / "mount").put(*BOTH[0])
    assert not (tmp_path / "mount").exists()


def http(url: str, *answers: httpx.Response) -> tuple[HttpCopy, list[httpx.Request]]:
    asked: list[httpx.Request] = []
    left = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return next(left)

    return HttpCopy(url, transport=httpx.MockTransport(answer)), asked


def test_a_url_that_ends_in_a_slash_gets_an_object_for_each() -> None:
    copy, asked = http("https://user:secret@store.example/audit/", httpx.Response(201))
    copy.put(*BOTH[4])
    assert (asked[0].method, asked[0].content.decode()) == ("PUT", NOTES[4])
    assert asked[0].url.path == "/audit/middlewatch/0123456789abcdef/acme/00000000000000000005"
    assert asked[0].headers["Authorization"].startswith("Basic ")
    assert copy.place == "https://store.example/audit/"


def test_no_log_of_whoever_embeds_us_shows_the_address(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("httpx").filters.clear()
    copy, asked = http("https://user:hunter2@store.example/audit?token=hunter2", httpx.Response(200), httpx.Response(200))
    for logger in (None, "httpx"):
        caplog.set_level(logging.DEBUG, logger)
        copy.put(*BOTH[0])
    assert len(asked) == 2
    assert "hunter2" not in caplog.text
    logging.getLogger("httpx").warning("of a kind that should be seen")
    assert "should be seen" in caplog.text


def test_any_other_url_gets_a_post() -> None:
    copy, asked = http("https://store.example/hook?token=secret", httpx.Response(200))
    copy.put(*BOTH[0])
    assert (asked[0].method, str(asked[0].url)) == ("POST", "https://store.example/hook?token=secret")
    assert "secret" not in copy.place


@pytest.mark.parametrize("status", [301, 403, 404, 500])
def test_an_answer_that_is_no_success_is_a_failure(status: int) -> None:
    copy, _ = http("https://store.example/hook", httpx.Response(status))
    with pytest.raises(CopyFailed, match=str(status)):
        copy.put(*BOTH[0])


def test_what_is_there_already_is_fine_if_it_is_the_same() -> None:
    same, _ = http("https://store.example/", httpx.Response(412), httpx.Response(200, text=NOTES[0]))
    same.put(*BOTH[0])
    other, _ = http("https://store.example/", httpx.Response(409), httpx.Response(200, text=NOTES[1]))
    with pytest.raises(CopyFailed, match="another checkpoint"):
        other.put(*BOTH[0])
    hidden, _ = http("https://store.example/", httpx.Response(409), httpx.Response(403))
    with pytest.raises(CopyFailed, match="403"):
        hidden.put(*BOTH[0])


def test_a_server_that_is_gone_is_a_failure() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(CopyFailed, match="ConnectError"):
        HttpCopy("https://store.example/", transport=httpx.MockTransport(refuse)).put(*BOTH[0])


def test_a_setting_names_a_folder_or_a_url(tmp_path: Path) -> None:
    assert isinstance(copy_to(str(tmp_path)), FolderCopy)
    assert isinstance(copy_to("https://store.example/x/"), HttpCopy)
    for wrong in ("relative", "ftp://store.example/", "https://", "https://store.example:x/"):
        with pytest.raises(Misconfigured, match="MIDDLEWATCH_AUDIT_COPIES"):
            copy_to(wrong)
