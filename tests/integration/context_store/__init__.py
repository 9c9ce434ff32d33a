"""The store with real processes around it."""
