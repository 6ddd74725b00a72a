"""A mock with a large world in it: what its pages cost, and saving, restoring and forecasting."""
