"""One suite against every back end."""
