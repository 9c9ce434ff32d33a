"""Hostile text and language models, through the real dialogues."""
