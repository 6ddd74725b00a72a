"""Cheddar: an XML API, hooks, and invoices that wait for a hook's acknowledgement."""
