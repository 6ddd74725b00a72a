"""Finds out how a server applies Cheddar's uncertain rules, using only the server's API and a listener."""
