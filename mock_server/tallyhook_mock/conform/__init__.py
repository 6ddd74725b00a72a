"""Finds out which of Cheddar's rules a server follows, using only its API and a listener."""
