"""Credentials: formats that tell themselves, and values beside telling words."""
