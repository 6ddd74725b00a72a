"""The mock of Cheddar: an XML API, hooks, and invoices that are held until their hooks are acknowledged."""
