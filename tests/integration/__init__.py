"""Parts together, with real servers and processes."""
