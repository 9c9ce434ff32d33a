"""Alerts of other systems: each sender's authentication as it really offers it, and its messages in our words."""
