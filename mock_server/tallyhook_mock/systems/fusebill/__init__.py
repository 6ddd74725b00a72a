"""Fusebill: customers whose subscriptions bill by shared billing period definitions."""
