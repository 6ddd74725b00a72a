"""Fusebill: customers, and billing period definitions that bill several subscriptions together."""
