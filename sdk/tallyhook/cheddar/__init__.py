"""Cheddar: the client, its calls, documents and hooks."""

BASE_URL = "https://getcheddar.com/xml"
