"""How agents use a language model: what it is shown, what it may do, and what is accepted of what it says."""
