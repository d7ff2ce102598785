"""Commands of Windows shells: how they are written, and what they would run."""
