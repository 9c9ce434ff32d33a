"""The approval gateway. It is empty so far: there is no action, so nothing can be executed."""
