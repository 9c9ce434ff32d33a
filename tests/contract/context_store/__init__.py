"""The store's promises, on every kind of Redis."""
