"""The console: pages at `/` and under `/console`, for people. They act through the mock alone."""
