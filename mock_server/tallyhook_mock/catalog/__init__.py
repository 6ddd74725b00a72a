"""The catalogue: which products, plans, users, listeners and first customers a mock starts with."""
