"""What changes things: a catalogue of typed actions, and what executes them. Agents never import it.

`catalogue` and what it imports open no credential and no connection; `execution` does, and only the executor imports it.
"""
