"""The console: web pages at `/` and under `/console`, which use only the `Mock` object."""
