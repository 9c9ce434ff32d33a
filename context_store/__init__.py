"""All durable state, on Redis: investigations, tasks, claims, evidence, hypotheses and votes."""
