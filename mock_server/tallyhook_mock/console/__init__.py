"""The console: web pages at `/` and under `/console`. They act only through the `Mock` object."""
