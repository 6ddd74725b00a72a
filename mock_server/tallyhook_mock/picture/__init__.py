"""The picture of a customer's life: an SVG drawn to scale in time."""
