"""The shop's services, and the bank that is none of them. Each instance is a process started by `serve`."""
