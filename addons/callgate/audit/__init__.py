"""The audit log: what a record says, the signed chain, bundles and their verification."""
