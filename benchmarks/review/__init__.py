"""Measure how fast invoices are reviewed, compared with a script that makes the same calls but no journal."""
