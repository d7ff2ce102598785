"""Callgate: a transparent HTTPS proxy that judges every tool call of an OpenAI app."""

__version__ = "0.1.0"
