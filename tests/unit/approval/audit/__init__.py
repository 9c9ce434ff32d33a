"""The audit log: lines, tree, checkpoints, keys, copies, and the check of an export."""
