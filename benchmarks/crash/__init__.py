"""Kill the receiver at every point of its work, inject faults, and count what the customers paid."""
