"""Dead letters: events and rows that could not be handled or stored, as text."""
