"""Read-only analyses: what is different in the incident from the baseline. One typed function per question, records in and out."""
