"""How fast hooks are received, beside a route that only reads them."""
