"""Invariants: the token of the data directory's owner is made once, is long, and is worth nothing where others can read it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from middlewatch.local_token import local_token
from middlewatch.records.errors import Misconfigured


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: local_token(tmp_path), range(32)))
    ((made, path),) = found
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(made) > 40
    assert [one.name for one in tmp_path.iterdir()] == ["local-token"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_where_others_can_read_it_nobody_is_known_by_it(tmp_path: Path, mode: int) -> None:
    local_token(tmp_path)[1].chmod(mode)
    with pytest.raises(Misconfigured, match="not yours alone"):
        local_token(tmp_path)


def test_a_link_that_somebody_laid_there_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("theirs")
    (tmp_path / "local-token").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Misconfigured, match="not yours alone"):
        local_token(tmp_path)
