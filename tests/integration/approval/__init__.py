"""Approvals and the audit log on a real Redis."""
