"""The sites and their rules."""
