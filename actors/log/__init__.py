"""The log of accepted events: its contract, and what keeps it."""
