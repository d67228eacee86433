"""Dead letters: what could not be handled or stored, as text."""
