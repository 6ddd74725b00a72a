"""Programs that measure the product and prove its promises: `python -m benchmarks.NAME --help`."""
