"""Chargemonk: subscriptions that are billed term by term, with add-ons."""
