"""Actors that own time: they wait for a moment, then act."""
