"""The demonstration: a local OpenAI-compatible server, an agent app, certificates, a policy.

`agent` stands alone: it knows the `openai` package and nothing of Callgate.
"""
