"""One suite for everything that executes actions."""
