"""Network: where calls go — inside, where they have no business, or outside with data."""
