"""A billing server for tests and local work."""
