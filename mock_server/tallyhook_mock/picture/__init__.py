"""The picture of a customer's history: an SVG with time drawn to scale."""
