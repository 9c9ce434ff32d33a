"""The file that `middlewatch models init` writes: every section, with what it means; no model is asked until it is edited."""

from __future__ import annotations

EXAMPLE = """\
# Which language models may be asked, where text may go, and what it may cost. Read again whenever it changes.
# Check it with `middlewatch models check`; ask each once with `middlewatch doctor --models`. Every key: docs/models.md.
#
# Keys are never in this file. They are environment variables of `serve` and `worker`:
#   MIDDLEWATCH_ANTHROPIC_KEY, MIDDLEWATCH_OPENAI_KEY, MIDDLEWATCH_COMPATIBLE_KEY

# The model that investigations ask, by its section below. Without this section none is asked, and rules answer alone, as they do
# first in any case.
# [agents]
# model = "sonnet"

# Hosts that text may be sent to, once secrets and personal data are taken out of it. Nothing is sent anywhere else.
[hosts]
allowed = ["api.anthropic.com", "api.openai.com"]

# [models.sonnet]
# provider = "anthropic"              # anthropic, openai, or compatible: chat completions of Ollama, vLLM, a gateway
# model = "claude-sonnet-5-5"         # the provider's own name

# [models.sol]
# provider = "openai"
# model = "gpt-6.2-sol"

# [models.local]                      # a server of your own: its host must be allowed above, here as "127.0.0.1"
# provider = "compatible"
# model = "qwen3:32b"
# url = "http://127.0.0.1:11434/v1"   # without TLS only on this machine, or where "http://gpu-box" is allowed above

# The most that is spent. A call is made only where all of it is left; what was hit stands in the report.
[budgets]
calls = 20                            # of one investigation, as the next three
dollars = 0.50
tokens = 280_000
seconds = 60                          # after the rules' answer; then models must be done
prompt_tokens = 12_000                # that one call may read
answer_tokens = 2_000                 # that one call may write, its thoughts included
day_dollars = 25.0                    # of all investigations of a day (UTC), as the next two
day_calls = 1000
day_tokens = 14_000_000

# Prices of your own, in US dollars per million tokens, before those that come with middlewatch: `middlewatch models list`.
# A model without one costs null dollars in every report, and only calls, tokens and seconds bound it.
# [[prices]]
# model = "qwen3:32b"
# input = 0.0
# output = 0.0
"""
