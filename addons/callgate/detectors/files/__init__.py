"""Files that an agent has no business with."""
