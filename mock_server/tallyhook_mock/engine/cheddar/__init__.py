"""Cheddar's rules: subscriptions with tracked items, invoices that are held, reviewed and executed."""
