"""Measure a mock with many customers: its pages, saving, restoring and forecasting."""
