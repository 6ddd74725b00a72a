"""Cheddar's clients, calls, documents and hooks."""

BASE_URL = "https://getcheddar.com/xml"
