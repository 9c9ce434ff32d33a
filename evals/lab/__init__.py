"""A real small shop with real faults, and the recordings that are made of it.

`run.record` starts the shop, breaks it and writes a recording; `faults.faults` names the ways to break it. The services
(`services`) and the load generator (`load`) run as processes of their own and need the extra `lab`; nothing else here does.
"""
