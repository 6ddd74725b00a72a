"""Finds out how a server applies Cheddar's uncertain rules, using only its API and a listener."""
