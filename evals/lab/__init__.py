"""A real small shop with real faults, and the recordings that are made of it.

`run.record` starts the shop, breaks it and writes a recording; `faults.faults` names what can be done to it, and `ways` does it.
The services (`services`), the load generator (`load`) and what disturbs them (`saboteurs`) run as processes of their own; the first
two need the extra `lab`.
"""
