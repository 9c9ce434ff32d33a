"""The audit log: a chain of lines, a Merkle tree over them, and signed checkpoints that are copied elsewhere.

Redis holds the events in order (`middlewatch.context_store.audit`). All that is here follows from those events and the signing
key, so any process can go on where another one stopped, and a machine that has neither Redis nor settings can check an export.
"""
