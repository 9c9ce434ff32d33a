"""The approval gateway's parts that need no Redis."""
