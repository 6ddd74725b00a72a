"""How fast invoices are reviewed, beside a script that makes the same calls and remembers nothing."""
