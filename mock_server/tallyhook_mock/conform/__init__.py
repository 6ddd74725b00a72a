"""Finding out which of Cheddar's rules a server follows, through its API and a listener alone."""
