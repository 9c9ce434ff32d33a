-- Merges under way.
SELECT table FROM system.merges
