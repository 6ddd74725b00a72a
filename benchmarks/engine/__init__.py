"""How fast the mock's engine bills, and what a subscription weighs."""
