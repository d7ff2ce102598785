"""The revisions; the first is the schema of databases that were made before there were any."""
