"""The rules of billing, without I/O and without a clock."""
