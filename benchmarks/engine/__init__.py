"""Measure how fast the mock's engine bills, and how much memory a subscription needs."""
