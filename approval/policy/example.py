"""The policy file that `middlewatch policy init` writes: one person, who works alone until they name others."""

from __future__ import annotations

import json

_TEXT = """\
# Who may decide what. Read as a whole and again whenever it changes; a mistake anywhere, and nothing is allowed.
# Check it with `middlewatch policy check`. Every key and its default: docs/policy.md.

[principals.{id}]
role = "manager"                  # member < lead < manager
local = [{user}]{pad}# unix users of this machine
sole_operator = ["low", "medium", "high"]   # may approve what they propose themselves; the audit log says so each time

# [principals.ann]
# name = "Ann Example"
# role = "lead"
# slack = ["T0123ABCD/U0456EFGH"]           # team and user, by their ids
# token_sha256 = ["..."]                    # `middlewatch policy token ann` makes one
# oidc = ["https://login.example.org|00u1"] # issuer and subject

[auto]
info = true                       # tickets, notes and dumps are made without asking anybody

# A named action on a named target:
# [[rules]]
# actions = ["rollback_deploy"]
# targets = ["checkout"]
# tier = "high"
# approvals = {{ all_of = ["manager", "manager"] }}

# No forward changes at weekends. What takes a recorded change back is not held up.
# [[freezes]]
# name = "weekend"
# targets = "*"
# zone = "Europe/Stockholm"
# days = ["sat", "sun"]
# from = 00:00:00
# to = 00:00:00                   # not after `from`, so it is the next day's
"""


def example_policy(id_: str, user: str) -> str:
    """The file's text.

    Args:
        id_: of the one principal.
        user: their unix user.
    """
    written = json.dumps(user, ensure_ascii=True)
    return _TEXT.format(id=id_ if "." not in id_ else json.dumps(id_), user=written, pad=" " * max(1, 24 - len(written)))
