"""Cleverbridge: subscriptions whose items are billed at each renewal."""
