"""Compare how fast the mock, a mock of another billing API, and an empty route answer calls."""
