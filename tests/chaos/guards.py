"""Takes every guard out of the scripts, one at a time, and shows that a test fails without it.

Run it as ``python tests/chaos/guards.py``; it takes some minutes. It prints one line a guard and exits with 0 when none could be
missed. The guards are patched in the process that runs the tests, never in the product.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = "not holds(task, owner, token_epoch, token_counter)"

GUARDS = (
    ("append", FENCE, "false"),
    ("finish", FENCE, "false"),
    ("fail", FENCE, "false"),
    ("renew", FENCE, "false"),
    ("finish", "and get(task, 'owner') == owner\n", "\n"),
    ("finish", "and tonumber(get(task, 'epoch')) == token_epoch\n    and", "and"),
    ("finish", "and tonumber(get(task, 'counter')) == token_counter\n    and token_epoch", "and token_epoch"),
    ("finish", "and token_epoch == epoch", ""),
    ("append", "not is_open() or", ""),
    ("finish", "not is_open() or", ""),
    ("fail", "not is_open() or", ""),
    ("renew", "not is_open() or", ""),
    ("claim", "not is_open() or", ""),
    ("renew", "<= now then", "< 0 then"),
    ("finish", "and get(task, 'digest') == digest", ""),
    ("finish", "if again then", "if false then"),
    ("finish", "if get(task, 'call') == call then", "if false then"),
    ("finish", "if get(pair[1], 'task') then", "if false then"),
    ("finish", "#next_tasks == 0", "false"),
    ("finish", "'|left', -1) == 0", "'|left', -1) == 1"),
    ("fail", "if get(task, 'failed') == holder", "if false"),
    ("fail", "< max_attempts", "< 1000"),
    ("fail", "now + backoff_ms", "now"),
    ("claim", "get(task, 'state') ~= 'ready'", "false"),
    ("claim", "if from > now then", "if false then"),
    ("claim", "redis.call('HINCRBY', meta, 'fence', 1)", "1"),
    ("claim", "if granted then", "if false then"),
    ("claim", "and get(task, 'request') == request", ""),
    ("reap", "'-inf', now", "'-inf', '+inf'"),
    ("outbox", "redis.call('ZADD', leases, 0, task)", ""),
    ("append", "'HSETNX', records", "'HSET', records"),
    ("look", "if epoch < seen then", "if false then"),
    ("finish", "if epoch < seen then", "if false then"),
    ("take", "if epoch < seen then", "if false then"),
    ("take", "if before and before ~= refused then", "if false then"),
    ("reserve", "if holder and holder ~= instead_of and holder ~= investigation then", "if false then"),
    ("create", "if known then", "if false then"),
    ("create", "if redis.call('EXISTS', gone) == 1 then", "if false then"),
    ("remove", "if known and is_open() then", "if false then"),
    ("finish", "redis.call('DEL', outbox, leases, groups)", ""),
    ("feed", "'NX'", "'XX'"),
    ("fail", "redis.call('HINCRBY', tasks, task .. '|attempts', -1)", ""),
    ("reap", "tonumber(get(task, 'since'))", "now"),
    ("claim", "redis.call('EXISTS', gone) == 1 and 'GONE' or 'REFUSED'", "'REFUSED'"),
)
"""Script, the text of a guard, and what stands there instead."""

_RUN = """
import sys
import pytest
from middlewatch.context_store import scripts
name, guard, without, *arguments = sys.argv[1:]
script = getattr(scripts, name)
assert guard in script.text, "the guard is not in the script"
script.text = script.text.replace(guard, without)
sys.exit(pytest.main(arguments))
"""


def noticed(name: str, guard: str, without: str) -> bool:
    """Whether a test fails on a store whose script has lost this guard."""
    tests = [
        "tests/contract/context_store",
        "tests/integration/context_store/test_protocol_model.py",
        "tests/integration/context_store/test_dropped_replies.py",
    ]
    options = ["-q", "-x", "-k", "not oldest and not cluster and not gone", "-p", "no:cacheprovider", "--timeout=60"]
    command = [sys.executable, "-c", _RUN, name, guard, without, *options, *tests]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "the guard is not in the script" in ended.stderr:
        raise SystemExit(f"{name}.lua has no guard {guard!r} any more")
    return ended.returncode == 1


def main() -> int:
    """Try every guard."""
    if noticed("finish", FENCE, FENCE):
        raise SystemExit("the tests fail with every guard in place, so they prove nothing")
    missed = 0
    for guard in GUARDS:
        seen = noticed(*guard)
        missed += not seen
        sys.stdout.write(f"{'noticed' if seen else 'MISSED '}  {guard[0]:8} {' '.join(guard[1].split())}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(GUARDS) - missed} of {len(GUARDS)} noticed\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
