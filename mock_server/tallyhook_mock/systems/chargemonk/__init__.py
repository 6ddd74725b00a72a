"""Chargemonk: subscriptions in terms, with add-ons."""
