"""Programs in arguments: Python and JavaScript."""
