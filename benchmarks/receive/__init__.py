"""Measure how fast hooks are received, compared with a route that only reads them."""
