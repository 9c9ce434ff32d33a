"""The Model Context Protocol: what an assistant can ask and do, over standard input and output and over HTTP.

Whoever is at the other end is a program that acts in a person's session, and what it reads may try to steer it. So what telemetry,
alerts and people wrote is fenced and named as such in every answer, and nobody decides here whom policy does not let.
"""
