"""The catalogue: the products, plans, users, listeners and first customers that a mock starts with."""
