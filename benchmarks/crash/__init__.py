"""Kill the receiver at every point of its work, inject faults, and check what the customers paid."""
