"""Shell commands: parsed, not matched."""
