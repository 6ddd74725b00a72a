"""The console: web pages at `/` and under `/console`. They change the mock only through `Mock`."""
