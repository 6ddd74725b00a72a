"""How fast the mock answers calls, beside the mock of another billing API and a route that does nothing."""
