"""Cleverbridge's rules: subscriptions whose items are billed in advance or in arrears."""
