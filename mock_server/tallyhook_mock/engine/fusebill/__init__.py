"""Fusebill's rules: billing periods that several subscriptions share, and whose date can be moved."""
