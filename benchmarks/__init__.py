"""Programs that measure performance and test promises: `python -m benchmarks.NAME --help`."""
