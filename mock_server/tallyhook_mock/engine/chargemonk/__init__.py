"""Chargemonk's rules: plans with add-ons that are charged for a number of billing cycles."""
