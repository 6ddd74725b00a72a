"""A mock with a large world in it: what its pages cost."""
