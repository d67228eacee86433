"""The log of accepted events: its contract and its implementations."""
