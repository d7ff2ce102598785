"""The audit log: what a record says."""
