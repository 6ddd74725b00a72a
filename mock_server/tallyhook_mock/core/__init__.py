"""What the billing systems share."""
