"""Code shared by the billing systems."""
