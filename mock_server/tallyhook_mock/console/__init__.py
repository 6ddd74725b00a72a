"""The web console: pages at `/` and under `/console`. They only use the methods of the mock."""
