"""Cheddar: the client, its calls, documents and hooks."""
