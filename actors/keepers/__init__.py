"""Actors that act at certain times."""
