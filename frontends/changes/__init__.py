"""Changes as senders tell of them: each sender is believed for what it proves, and translated. docs/changes.md says how."""
