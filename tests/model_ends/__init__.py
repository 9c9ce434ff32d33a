"""Servers on this machine that stand for providers of language models: strict about what they are sent, and able to misbehave."""
